"""The demo stopped with Ctrl-C again and again, in a clone: begun again it completes, and nothing is there twice.

Several minutes: `make test-faults`, not `make test`.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.played_demo import played
from tests.tremplin_cli import CHECKOUT, start
from tremplin import journal

pytestmark = pytest.mark.slow

PATIENCE = 400  # seconds that a demo may take at most until a point is reached


def test_a_demo_stopped_with_ctrl_c_anywhere_completes_when_it_is_begun_again(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--local", str(CHECKOUT), str(clone)], check=True)
    root = clone / ".tremplin" / "demo"
    store = root / ".tremplin" / "store.db"
    points: list[tuple[str, Callable[[], bool]]] = [
        ("during dvc repro", (root / "data" / "flights" / "prepared").exists),
        ("while July is played", lambda: count(store, "select count(*) from predictions") > 10_000),
        (
            "while the challenger is trained",
            lambda: count(store, "select count(*) from journal where kind = 'retraining'") > 0,
        ),
        (
            "during the first wave",
            lambda: count(store, "select count(*) from predictions where cohort = 'challenger'") > 0,
        ),
    ]
    for name, reached in points:
        stop(clone, tmp_path / f"{name}.log", reached)
        assert left_over(root) == [], name
    log = tmp_path / "last.log"
    assert start(clone, "demo", log=log, PYTHONPATH=str(clone)).wait(PATIENCE) == 0, log.read_text()

    demo = played(root)
    assert not demo.answers["key"].duplicated().any()
    assert set(demo.answers["key"]) == set(demo.departures["flight_id"].astype(str))
    assert journal.verify(demo.engine) == []
    kinds = [entry.kind for entry in journal.entries(demo.engine) if entry.facts.get("passed", True)]
    once = {  # the worse model is judged again where the champion it met is another
        "approval": 2,
        "release": 2,
        "go-live": 1,
        "monitoring": 2,
        "retraining": 1,
        "rollout": 1,
        "wave": 3,
        "promotion": 1,
    }
    assert {kind: kinds.count(kind) for kind in kinds} == once | {"verdict": 2}
    assert [state.share for state in demo.history()] == [0, 0, 0.15, 0.5, 1, 0]
    versions = demo.mlflow.search_model_versions("name = 'flights'")
    assert len(versions) == 3
    assert len({version.tags["tremplin.result"] for version in versions}) == 3
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert status.stdout == "", "the checkout stays clean"
    demo.engine.dispose()


def stop(clone: Path, log: Path, reached: Callable[[], bool]) -> None:
    """Begin the demo, and Ctrl-C once ``reached``: it says what to do and ends with 130."""
    process = start(clone, "demo", log=log, PYTHONPATH=str(clone))
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to every process of the command
    assert process.wait(60) == 130, log.read_text()
    said = log.read_text()
    assert "Stopped. Run the same command again" in said
    assert "Traceback" not in said


def left_over(root: Path) -> list[str]:
    """Command lines of processes that still speak of the workspace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            where, line = (folder / "cwd").readlink(), (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if where.is_relative_to(root) or str(root) in line:
            found.append(line)
    return found


def count(store: Path, query: str) -> int:
    """A number from the store; 0 before there is one."""
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
