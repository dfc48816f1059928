"""`tremplin run` killed, stopped with Ctrl-C, or before a locked store: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.people import make_people
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, begun, copy_of, start, tremplin
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

RUN = ("--pilot", "lamps", "run", "--as-of", AS_OF)
PATIENCE = 90  # seconds until a point must be reached


def test_killed_anywhere_it_is_completed_and_nothing_is_there_twice(
    lamp_run: Town, empty_mlflow: Path, tmp_path: Path
) -> None:
    town = begun(lamp_run, tmp_path / "checkout", empty_mlflow)
    points: dict[str, Callable[[], bool]] = {
        "after the snapshot": town.paths.snapshot_facts.exists,
        "during dvc repro": town.paths.prepared.exists,
        "before the verdict": lambda: count(town, "mlflow.db", "select count(*) from model_versions") > 0,
    }
    for name, reached in points.items():
        interrupt(town, signal.SIGKILL, tmp_path / f"{name}.log", reached)
        assert count(town, "store.db", "select count(*) from journal") == 0, name
    done = tremplin(town.root, *RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert one_of_each(town)
    assert {path.name: path.read_bytes() for path in town.paths.model.rglob("*.*")} == {
        path.name: path.read_bytes() for path in lamp_run.paths.model.rglob("*.*")
    }, "the same model as without interruption"


def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(
    lamp_run: Town, empty_mlflow: Path, tmp_path: Path
) -> None:
    town = begun(lamp_run, tmp_path / "checkout", empty_mlflow)
    log = tmp_path / "stopped.log"
    assert interrupt(town, signal.SIGINT, log, town.paths.prepared.exists) == 130
    assert "Stopped. Run the same command again" in log.read_text()
    assert "Traceback" not in log.read_text()
    done = tremplin(town.root, *RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert one_of_each(town)


def test_a_locked_store_is_an_error_that_says_so_and_the_command_can_be_repeated(
    lamp_run: Town, tmp_path: Path
) -> None:
    town = copy_of(lamp_run, tmp_path / "checkout")
    key = make_people(town.root / ".tremplin" / "keys").key("Camille Laurent")
    approve = ("--pilot", "lamps", "approve", "1", "--key", str(key), "--as-of", AS_OF)
    other = sqlite3.connect(town.root / ".tremplin" / "store.db", isolation_level=None)
    other.execute("begin exclusive")
    locked = tremplin(town.root, *approve)
    other.execute("rollback")
    other.close()
    assert locked.returncode == 1
    assert locked.stderr.startswith("Error: ")
    assert "locked" in locked.stderr
    assert "Traceback" not in locked.stderr
    assert [entry.kind for entry in journal.entries(open_store(load_settings(root=town.root)))] == ["verdict"]
    done = tremplin(town.root, *approve)
    assert done.returncode == 0, done.stderr
    kinds = [entry.kind for entry in journal.entries(open_store(load_settings(root=town.root)))]
    assert kinds == ["verdict", "approval", "release", "go-live"]


def interrupt(town: Town, how: signal.Signals, log: Path, reached: Callable[[], bool]) -> int:
    """Send a signal to `tremplin run` and all its processes once ``reached``; its exit code."""
    process = start(town.root, *RUN, log=log)
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    os.killpg(process.pid, how)
    code = process.wait(30)
    while alive(process.pid):
        assert time.monotonic() < deadline, f"processes {alive(process.pid)} were left behind"
        time.sleep(0.1)
    return code


def alive(group: int) -> list[str]:
    """Processes of a group that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended meanwhile
            continue
        if int(of_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


def one_of_each(town: Town) -> bool:
    """Whether there is one finished run, one version and one verdict."""
    finished = (
        "select count(*) from runs join tags on tags.run_uuid = runs.run_uuid and tags.key = 'tremplin.result' "
        "where runs.status = 'FINISHED'"
    )
    assert count(town, "mlflow.db", finished) == 1
    assert count(town, "mlflow.db", "select count(*) from model_versions") == 1
    assert count(town, "store.db", "select count(*) from journal where kind = 'verdict'") == 1
    return True


def count(town: Town, database: str, query: str) -> int:
    """A number from a database of the checkout; 0 before it is there."""
    try:
        with sqlite3.connect(f"file:{town.root / '.tremplin' / database}?mode=ro", uri=True) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
