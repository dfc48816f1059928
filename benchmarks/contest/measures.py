"""What is measured of this server beyond one row a request."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.contest import tensors
from benchmarks.contest.contestant import Contestant
from benchmarks.contest.environments import Failed, environment
from benchmarks.contest.load import Bodies, full, paced
from benchmarks.contest.noop import NOOP
from benchmarks.contest.running import Running, post, running
from benchmarks.contest.tremplin_server import TREMPLIN
from benchmarks.contest.world import PILOT, World
from tests.results import ROOT

ROWS = 1000  # of a long body
TOLERANCE = 1e-5  # of a probability: float32 in ONNX
STARTS = 5
JSON = {"Content-Type": "application/json"}


class Measures:
    """Measures in the cores and folders of one run."""

    def __init__(self, world: World, folder: Path, seconds: float, connections: int) -> None:
        self.world, self.folder, self.seconds, self.connections = world, folder, seconds, connections
        self.server_core, self.load_core = sorted(os.sched_getaffinity(0))[:2]

    def start(self, contestant: Contestant) -> Any:
        """The contestant, running on its core."""
        return running(contestant, self.world, self.folder, cores=str(self.server_core))

    def bodies(self, contestant: Contestant) -> Bodies:
        """All rows, one a request."""
        return Bodies(self.folder / "load", [contestant.body(row) for row in self.world.rows], JSON)

    def paced(self, rates: dict[str, float]) -> dict[str, dict[str, float]]:
        """Latency of the no-op and of this server at each of these rates; where one cannot keep up, p99 says so."""
        found: dict[str, dict[str, float]] = {}
        for contestant in (NOOP, TREMPLIN):
            bodies = self.bodies(contestant)
            with self.start(contestant) as server:
                url = server.url + contestant.path
                full(url, bodies, core=self.load_core, connections=self.connections, seconds=3)
                for name, rate in rates.items():
                    found[f"{contestant.name} at {name}"] = paced(
                        url, bodies, core=self.load_core, rate=rate, connections=64, seconds=self.seconds
                    )
        return found

    def batches(self) -> dict[str, Any]:
        """Rows a second by JSON, by binary tensors, and of bare ONNX Runtime."""
        groups = [self.world.rows[place : place + ROWS] for place in range(0, len(self.world.rows), ROWS)]
        listed = [json.dumps({"rows": rows}).encode() for rows in groups]
        found: dict[str, Any] = {"rows": ROWS, "onnx": self._bare()}
        with self.start(TREMPLIN) as server:
            status, content = post(server.url + "/predict", listed[0], JSON)
            if status != 200:
                raise Failed(f"a body of {ROWS} rows is answered with {status}: {content[:300]!r}")
            self._require([one["score"] for one in json.loads(content)["predictions"]])
            found["json"] = self._rows_per_second(server, "/predict", listed, JSON)
            path = f"/v2/models/{PILOT}"
            try:
                metadata = json.loads(urllib.request.urlopen(server.url + path).read())  # noqa: S310 - our own
            except OSError as error:
                return found | {"binary": None, "no_binary": f"{path}: {error}"}
            binary = [tensors.body(metadata, rows) for rows in groups]
            headers = {"Content-Type": "application/octet-stream", tensors.HEADER: str(tensors.PADDED)}
            request = urllib.request.Request(f"{server.url}{path}/infer", binary[0], headers)  # noqa: S310
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                self._require(tensors.output(answer.read(), int(answer.headers[tensors.HEADER]), "score"))
            found["binary"] = self._rows_per_second(server, f"{path}/infer", binary, headers)
        return found

    def explanation_ms(self) -> float:
        """Median time of one row's answer with its explanation, asked for one after another."""
        with self.start(TREMPLIN) as server:
            status, content = post(server.url + "/explain", TREMPLIN.body(self.world.rows[0]), JSON)
            if status != 200:
                raise Failed(f"/explain answers {status}: {content[:300]!r}")
            url, bodies = server.url + "/explain", self.bodies(TREMPLIN)
            full(url, bodies, core=self.load_core, connections=1, seconds=1)
            return full(url, bodies, core=self.load_core, connections=1, seconds=self.seconds)["p50_ms"]

    def ready_seconds(self) -> list[float]:
        """From the start of the process to ready, some times."""
        found = []
        for _ in range(STARTS):
            with self.start(TREMPLIN) as server:
                found.append(server.ready_seconds)
        return found

    def two_workers(self) -> dict[str, Any]:
        """Requests/s of two processes, each with a core and a load of its own, against one; or why not."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 4:
            return {"not_measured": f"two servers and two loads need four cores; there are {len(cores)}"}
        bodies = self.bodies(TREMPLIN)
        with (
            running(TREMPLIN, self.world, self.folder, cores=str(cores[0])) as one,
            running(
                replace(TREMPLIN, name="tremplin second"), self.world, self.folder, cores=str(cores[1])
            ) as two,
        ):
            alone = full(
                one.url + TREMPLIN.path,
                bodies,
                core=cores[2],
                connections=self.connections,
                seconds=self.seconds,
            )
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(2) as pool:
                both = pool.map(
                    lambda pair: full(
                        pair[0].url + TREMPLIN.path,
                        bodies,
                        core=pair[1],
                        connections=self.connections,
                        seconds=self.seconds,
                    ),
                    ((one, cores[2]), (two, cores[3])),
                )
                together = sum(found["requests_per_second"] for found in both)
        return {"one": alone["requests_per_second"], "two": together}

    def _rows_per_second(
        self, server: Running, path: str, bodies: list[bytes], headers: dict[str, str]
    ) -> float:
        written = Bodies(self.folder / "load", bodies, headers)
        full(server.url + path, written, core=self.load_core, connections=2, seconds=1)
        found = full(server.url + path, written, core=self.load_core, connections=2, seconds=self.seconds)
        if found["errors"]:
            raise Failed(f"{path}: {found['errors']:.0f} errors under load")
        return ROWS * found["requests_per_second"]

    def _bare(self) -> float:
        python = environment(TREMPLIN, self.folder) / "python"
        command: list[str | Path] = [
            "taskset",
            "-c",
            str(self.server_core),
            python,
            "-m",
            "benchmarks.contest.bare",
            self.world.folder,
        ]
        done = subprocess.run(
            [*command, str(ROWS), f"{self.seconds:g}"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    def _require(self, scores: Any) -> None:
        apart = np.max(np.abs(np.asarray(scores, dtype=np.float64) - self.world.scores[: len(scores)]))
        if len(scores) != ROWS or not apart <= TOLERANCE:
            raise Failed(f"scores of a body of {ROWS} rows are {apart:.2g} from the fitted pipeline's")


def image() -> dict[str, Any]:
    """The size of the server's image over its base, MB, as Docker's engine has it; or why not."""
    docker, name = shutil.which("docker"), os.environ.get("IMAGE", "tremplin/serving:dev")
    base = next(
        line.split("=")[1]
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("ARG BASE=")
    )
    sizes = []
    for one in (name, base):
        asked = [docker or "docker", "image", "inspect", "--format", "{{.Size}}", one]
        done = subprocess.run(asked, capture_output=True, text=True, check=False) if docker else None
        if done is None or done.returncode:
            return {"not_measured": f"no Docker engine here that holds {one}"}
        sizes.append(int(done.stdout) / 1e6)
    return {"over_base_mb": sizes[0] - sizes[1], "image": name, "base": base}


def medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Of each figure."""
    return {name: median(one[name] for one in rounds) for name in rounds[0]} if rounds else {}
