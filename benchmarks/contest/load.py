"""Load on one core: as much as the server takes (wrk), or at a given rate (``benchmarks.contest.paced``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contest.environments import Failed

ROTATE = """
local requests, last = {}, 0
function init(args)
   local headers = {}
   for line in io.lines(os.getenv("BENCH_HEADERS")) do
      local name, value = line:match("^(.-): (.*)$")
      headers[name] = value
   end
   local file = io.open(os.getenv("BENCH_BODIES"), "rb")
   for length in function() return file:read("*n") end do
      file:read(1)
      requests[#requests + 1] = wrk.format("POST", nil, headers, file:read(length))
   end
end
function request()
   last = last % #requests + 1
   return requests[last]
end
function done(summary, latency)
   local e = summary.errors
   io.write(string.format("\\nFIGURES %d %d %f %f %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
      latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout))
end
"""


class Bodies:
    """The bodies and headers of a contestant, where a load generator reads them: each body after its length and a space."""

    def __init__(self, folder: Path, bodies: Sequence[bytes], headers: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.script, self.bodies, self.headers = (folder / n for n in ("rotate.lua", "bodies", "headers"))
        self.script.write_text(ROTATE, "utf-8")
        self.bodies.write_bytes(b"".join(b"%d %b" % (len(body), body) for body in bodies))
        self.headers.write_text("".join(f"{name}: {value}\n" for name, value in headers.items()), "utf-8")


def full(url: str, bodies: Bodies, *, core: int, connections: int, seconds: float) -> dict[str, float]:
    """As many requests as are answered, the next as soon as the last is: requests/s, latency in ms, errors."""
    command = [
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "20s",
    ]
    variables = {"BENCH_BODIES": str(bodies.bodies), "BENCH_HEADERS": str(bodies.headers)}
    said = _run([*command, "-s", str(bodies.script), url], os.environ | variables)
    figures = next(line for line in said.splitlines() if line.startswith("FIGURES")).split()[1:]
    requests, duration, p50, p99, statuses, sockets = map(float, figures)
    return {
        "requests_per_second": requests / duration * 1e6,
        "p50_ms": p50 / 1e3,
        "p99_ms": p99 / 1e3,
        "requests": requests,
        "errors": statuses + sockets,
    }


def paced(
    url: str, bodies: Bodies, *, core: int, rate: float, connections: int, seconds: float
) -> dict[str, Any]:
    """A request every 1/rate seconds, whatever the answers do."""
    command = [
        "taskset",
        "-c",
        str(core),
        sys.executable,
        "-m",
        "benchmarks.contest.paced",
        url,
        str(bodies.bodies),
    ]
    command += [str(bodies.headers), f"{rate:.6g}", str(connections), f"{seconds:g}"]
    found: dict[str, Any] = json.loads(_run(command, dict(os.environ)))
    return found


def _run(command: list[str], variables: dict[str, str]) -> str:
    """What it said.

    Raises:
        Failed: the load broke off, as when the server dies.
    """
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the load broke off: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def missing() -> list[str]:
    """What a measurement needs and this machine lacks, each with what to do."""
    found = [
        f"{program} is not here: apt-get install {package}"
        for program, package in (("wrk", "wrk"), ("taskset", "util-linux"))
        if shutil.which(program) is None
    ]
    if len(os.sched_getaffinity(0)) < 2:
        found.append(
            "two cores are needed, one for the server and one for the load: this process may use one"
        )
    return found
