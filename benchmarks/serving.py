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
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contest import page
from benchmarks.contest.contestant import Contestant
from benchmarks.contest.contestants import CONTESTANTS
from benchmarks.contest.environments import Failed, versions
from benchmarks.contest.load import Bodies, full, missing
from benchmarks.contest.measures import TOLERANCE, Measures, image, medians
from benchmarks.contest.running import Running, post, prepare
from benchmarks.contest.world import World, make_world
from benchmarks.machine import machine
from tests.results import ROOT
from tremplin.code_version import code_version
from tremplin.settings import load_settings

FIGURES = ROOT / "docs" / "benchmarks.json"
BENCH = ROOT / ".tremplin" / "bench"
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
    parser.add_argument("--json", type=Path, default=None, help="write the figures there instead")
    parser.add_argument(
        "--page", action="store_true", help="measure nothing; write the page from the figures there are"
    )
    given = parser.parse_args()
    if given.page:
        page.write(json.loads(FIGURES.read_text("utf-8")))
        return 0
    names = [one.name for one in CONTESTANTS]
    asked = given.only.split(",") if given.only else names
    lacking = missing() + [
        f"there is no contestant {name!r}; there are {', '.join(names)}"
        for name in asked
        if name not in names
    ]
    if lacking:
        print("\n".join(lacking), file=sys.stderr)
        return 1
    BENCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BENCH) as folder:
        measures = Measures(make_world(Path(folder) / "world"), BENCH, given.seconds, CONNECTIONS)
        figures = about(measures.world, given.rounds, given.seconds)
        figures |= contest(measures, [one for one in CONTESTANTS if one.name in asked], given.rounds)
        if not given.only:
            figures |= rest(measures, figures["contestants"], given.rounds)
    text = json.dumps(figures, indent=1) + "\n"
    if given.json or given.only:
        (given.json.write_text if given.json else print)(text)
        return 0
    FIGURES.write_text(text, "utf-8")
    page.write(figures)
    return 0


def about(world: World, rounds: int, seconds: float) -> dict[str, Any]:
    """What the figures were measured with."""
    commit, dirty = code_version(load_settings(root=ROOT))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    load: dict[str, Any] = {
        "rounds": rounds,
        "seconds": seconds,
        "warm_seconds": WARM,
        "connections": CONNECTIONS,
        "rows": len(world.rows),
    }
    load |= {"trees": world.trees, "wrk": wrk_version()}
    return {"machine": machine(), "measured_at": now, "commit": commit, "dirty": dirty, "load": load}


def contest(measures: Measures, chosen: list[Contestant], rounds: int) -> dict[str, Any]:
    """Everybody in turn; who cannot be measured is named with the reason, and the rest goes on."""
    found: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    for number in range(rounds + 1):
        for one in chosen:
            if one.name in failed:
                continue
            try:
                if number == 0:
                    prepare(one, measures.world, BENCH)
                    continue
                with measures.start(one) as server:
                    last = round_of(server, measures)
            except Failed as why:
                failed[one.name] = str(why)
                say(f"{one.name}: {why}")
                continue
            found.setdefault(one.name, []).append(last)
            say(
                f"round {number} {one.name:20} {last['requests_per_second']:8.0f}/s  p99 {last['p99_ms']:7.2f} ms  errors "
                f"{last['errors']:.0f}  ready {last['ready_seconds']:.1f} s  {last['pss_mib']:.0f} MiB  {last['cpu_us']:.0f} µs"
            )
    able = [one for one in chosen if one.name not in failed]
    figures = {
        one.name: {
            "form": one.form,
            "validates": one.validates,
            "versions": versions(one, BENCH),
            "rounds": found[one.name],
            "median": medians(found[one.name]),
        }
        for one in able
    }
    return {"contestants": figures, "not_measured": failed}


def rest(measures: Measures, contestants: dict[str, Any], rounds: int) -> dict[str, Any]:
    """What is measured of ours alone; what cannot be is said with the reason."""
    rates = {
        f"half of {name}'s maximum": contestants[name]["median"]["requests_per_second"] / 2
        for name in ("noop", "tremplin")
        if name in contestants
    }
    parts: dict[str, Callable[[], Any]] = {
        "paced": lambda: [measures.paced(rates) for _ in range(rounds)],
        "batches": lambda: [measures.batches() for _ in range(rounds)],
        "explanation_ms": lambda: [measures.explanation_ms() for _ in range(rounds)],
        "ready_seconds": measures.ready_seconds,
        "two_workers": measures.two_workers,
        "image": image,
    }
    found: dict[str, Any] = {}
    for name, measure in parts.items():
        try:
            found[name] = measure()
        except Failed as why:
            found[name] = {"not_measured": str(why)}
        say(f"{name}: {found[name]}")
    return found


def round_of(server: Running, measures: Measures) -> dict[str, Any]:
    """One contestant's turn."""
    one, world = server.contestant, measures.world
    headers = {"Content-Type": "application/json"}
    if one.authorized:
        headers["Authorization"] = f"Bearer {world.key}"
    check(server, world, headers)
    bodies = Bodies(BENCH / "load", [one.body(row) for row in world.rows], headers)
    url = server.url + one.path
    full(url, bodies, core=measures.load_core, connections=CONNECTIONS, seconds=WARM)
    before = server.cpu_seconds()
    found = full(url, bodies, core=measures.load_core, connections=CONNECTIONS, seconds=measures.seconds)
    found["cpu_us"] = (server.cpu_seconds() - before) / max(1, found["requests"]) * 1e6
    if found["errors"]:
        raise Failed(
            f"{found['errors']:.0f} of {found['requests']:.0f} requests under load were not answered with 2xx"
        )
    return (
        found
        | {"ready_seconds": server.ready_seconds, "pss_mib": server.pss_mib()}
        | waiting(server, headers)
    )


def waiting(server: Running, headers: dict[str, str]) -> dict[str, float]:
    """Of ours: answers that are on the disk and not in the store when the load ends, so that none is fast by putting off."""
    if not server.contestant.home:
        return {}
    request = urllib.request.Request(server.url + "/metrics", headers=headers)  # noqa: S310 - our own address
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        found = re.search(rb"^tremplin_spool_depth (\S+)", answer.read(), re.MULTILINE)
    return {"not_in_store": float(found[1])} if found else {}


def check(server: Running, world: World, headers: dict[str, str]) -> None:
    """Right scores, and a wrong type refused by those that validate.

    Raises:
        Failed: they are not.
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
    status, _ = post(server.url + one.path, one.body(world.rows[0] | {"distance": "far"}), headers)
    if one.validates and not 400 <= status < 500:
        raise Failed(f"it answers a row with a text for a number with {status}")


def wrk_version() -> str:
    """As it says itself."""
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return said.split(" [")[0]


def say(line: str) -> None:
    """Progress."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
