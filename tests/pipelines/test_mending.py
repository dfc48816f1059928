"""Files that DVC rewrites in place, cut off at any length: the next command puts them right, and DVC finds all as it was."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from pipelines.mending import mend
from pipelines.reproducing import is_reproduced, track_snapshot
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import copy_of
from tremplin.errors import TremplinError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]


@pytest.fixture
def town(lamp_run: Town, tmp_path: Path) -> Town:
    return copy_of(lamp_run, tmp_path / "town")


def test_what_is_whole_stays(town: Town) -> None:
    before = (town.root / "dvc.lock").read_bytes()
    mend(town.paths)
    assert (town.root / "dvc.lock").read_bytes() == before
    assert is_reproduced(town.paths)


def test_a_lock_that_was_cut_off_is_put_back(town: Town) -> None:
    lock = town.root / "dvc.lock"
    whole = lock.read_text("utf-8")
    entries = yaml.safe_load(whole)["stages"]
    for length in range(0, len(whole), 97):
        lock.write_text(whole[:length], "utf-8")
        mend(town.paths)
        left = yaml.safe_load(lock.read_text("utf-8"))["stages"]
        last = list(left)[-1]  # it may lack a line or a digit: its stage is then made again
        assert left | {last: entries[last]} == {name: entries[name] for name in left}, length
    lock.write_text("", "utf-8")
    assert is_reproduced(town.paths), "nothing is made again"
    assert lock.read_text("utf-8") == whole


def test_the_first_lock_that_was_cut_off_is_removed(town: Town) -> None:
    (town.root / ".dvc" / "tmp" / "dvc.lock.kept").unlink()
    (town.root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  understanding@lamps:\n    cm")
    assert not is_reproduced(town.paths)
    assert not (town.root / "dvc.lock").exists()


@pytest.mark.parametrize("length", [0, 7, 20, 40, -4])
def test_the_snapshot_is_tracked_again(town: Town, length: int) -> None:
    tracked = town.paths.snapshot.with_name("snapshot.parquet.dvc")
    whole = tracked.read_text("utf-8")
    tracked.write_text(whole[:length])
    assert not is_reproduced(town.paths)
    track_snapshot(town.paths)
    assert tracked.read_text("utf-8") == whole
    assert is_reproduced(town.paths)


@pytest.mark.parametrize("left", ["", '{"write": {"/data'])
def test_a_list_of_readers_and_writers_that_was_cut_off_is_no_obstacle(town: Town, left: str) -> None:
    rwlock = town.root / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(left)
    track_snapshot(town.paths)
    assert json.loads(rwlock.read_text("utf-8"))


def held_by(town: Town, process: subprocess.Popen[bytes], cmd: str) -> Path:
    """DVC's file that says that a command of that number writes the snapshot."""
    rwlock = town.root / ".dvc" / "tmp" / "rwlock"
    writer = {str(town.paths.snapshot): {"pid": process.pid, "cmd": cmd}}
    rwlock.write_text(json.dumps({"read": {}, "write": writer}))
    return rwlock


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Some program that runs."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "add", "--quiet"])
    yield started
    started.kill()
    started.wait()


def test_a_number_that_is_another_process_now_is_no_obstacle(
    town: Town, process: subprocess.Popen[bytes]
) -> None:
    rwlock = held_by(town, process, "/somewhere/dvc/__main__.py repro --quiet")
    track_snapshot(town.paths)
    assert str(process.pid) not in rwlock.read_text("utf-8")


def test_a_killed_command_that_nobody_waited_for_is_no_obstacle(
    town: Town, process: subprocess.Popen[bytes]
) -> None:
    rwlock = held_by(town, process, "/somewhere/dvc/__main__.py add --quiet")
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    track_snapshot(town.paths)
    assert str(process.pid) not in rwlock.read_text("utf-8")


def test_a_command_that_runs_is_waited_for(town: Town, process: subprocess.Popen[bytes]) -> None:
    rwlock = held_by(town, process, "/somewhere/dvc/__main__.py add --quiet")
    before = rwlock.read_text("utf-8")
    mend(town.paths)
    assert rwlock.read_text("utf-8") == before
    with pytest.raises(TremplinError, match="`dvc` stopped"):
        track_snapshot(town.paths)
