"""How fast the server is, beside a no-op and the servers people use: writes docs/benchmarks.json and docs/benchmarks.md.

The server has one core, the load another. All contestants take turns, in rounds, each started anew; medians are compared. Before
one is timed its answers are compared with the fitted pipeline's, and one with errors under load is not counted as fast. Peers get
environments of their own under .tremplin/bench, made at the first run.

    python -m benchmarks.serving                                   # everything: an hour
    python -m benchmarks.serving --only noop,tremplin --rounds 1   # prints, and leaves the page
    python -m benchmarks.serving --page                            # writes the page anew from the figures there are
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contest.contestant import Contestant
from benchmarks.contest.contestants import CONTESTANTS
from benchmarks.contest.environments import Failed, environment, versions
from benchmarks.contest.load import Bodies, full, missing
from benchmarks.contest.running import Running, post, prepare, running
from benchmarks.contest.world import World, make_world
from benchmarks.machine import machine
from tests.results import ROOT
from tremplin.code_version import code_version
from tremplin.settings import load_settings

FIGURES = ROOT / "docs" / "benchmarks.json"
BENCH = ROOT / ".tremplin" / "bench"
TOLERANCE = 1e-5  # of a probability: float32 in ONNX
CHECKED = 50  # rows whose scores are compared before each round
WARM = 3.0  # seconds
CONNECTIONS = 16


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--only", default="", help=f"of {', '.join(one.name for one in CONTESTANTS)}")
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    given = parser.parse_args()
    if lacking := missing():
        print("\n".join(lacking), file=sys.stderr)
        return 1
    chosen = [one for one in CONTESTANTS if not given.only or one.name in given.only.split(",")]
    figures = measure(chosen, given.rounds, given.seconds)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    return 0


def measure(chosen: list[Contestant], rounds: int, seconds: float) -> dict[str, Any]:
    """All figures of these contestants."""
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    BENCH.mkdir(parents=True, exist_ok=True)
    commit, dirty = code_version(load_settings(root=ROOT))
    with tempfile.TemporaryDirectory(dir=BENCH) as folder:
        world = make_world(Path(folder) / "world")
        able, failed = [], {}
        for one in chosen:
            try:
                environment(one, BENCH)
                prepare(one, world, BENCH)
                able.append(one)
            except Failed as why:
                failed[one.name] = str(why)
                say(f"{one.name}: {why}")
        found: dict[str, list[dict[str, Any]]] = {one.name: [] for one in able}
        for number in range(rounds):
            for one in able:
                if one.name in failed:
                    continue
                try:
                    with running(one, world, BENCH, cores=str(server_core)) as server:
                        found[one.name].append(round_of(server, world, Path(folder), load_core, seconds))
                except Failed as why:
                    failed[one.name] = str(why)
                    say(f"{one.name}: {why}")
                else:
                    last = found[one.name][-1]
                    say(
                        f"round {number + 1} {one.name:20} {last['requests_per_second']:8.0f}/s  p99 {last['p99_ms']:7.2f} ms"
                        f"  errors {last['errors']:.0f}  ready {last['ready_seconds']:.1f} s  {last['pss_mib']:.0f} MiB"
                        f"  refuses a wrong type: {last['refuses_wrong_type']}"
                    )
        return {
            "machine": machine(),
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit,
            "dirty": dirty,
            "contestants": {
                one.name: {
                    "form": one.form,
                    "versions": versions(one, BENCH),
                    "rounds": found[one.name],
                    "median": medians(found[one.name]),
                }
                for one in able
                if one.name not in failed
            },
            "not_measured": failed,
        }


def round_of(server: Running, world: World, folder: Path, core: int, seconds: float) -> dict[str, Any]:
    """One contestant's turn."""
    one = server.contestant
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {world.key}"} if one.home == "keys-home" else {}
    )
    refused = check(server, world, headers)
    bodies = Bodies(folder / "load", [one.body(row) for row in world.rows], headers)
    url = server.url + one.path
    full(url, bodies, core=core, connections=CONNECTIONS, seconds=WARM)
    found = full(url, bodies, core=core, connections=CONNECTIONS, seconds=seconds)
    return found | {
        "ready_seconds": server.ready_seconds,
        "pss_mib": server.pss_mib(),
        "refuses_wrong_type": refused,
    }


def check(server: Running, world: World, headers: dict[str, str]) -> bool:
    """Right scores; whether a row with a wrong type is refused.

    Raises:
        Failed: a wrong score, or no answer.
    """
    one = server.contestant
    for place in range(0, len(world.rows), len(world.rows) // CHECKED):
        status, content = post(server.url + one.path, one.body(world.rows[place]), headers)
        if status != 200:
            raise Failed(f"it answers a real row with {status}: {content[-700:].decode(errors='replace')}")
        if one.score is not None:
            got, right = one.score(json.loads(content)), float(world.scores[place])
            if abs(got - right) > TOLERANCE:
                raise Failed(f"its score of a row is {got}, the fitted pipeline's {right}")
    wrong = world.rows[0] | {"distance": "far"}
    status, _ = post(server.url + one.path, one.body(wrong), headers)
    return 400 <= status < 500


def medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Of each figure."""
    return {name: median(one[name] for one in rounds) for name in rounds[0]} if rounds else {}


def say(line: str) -> None:
    """Progress."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
