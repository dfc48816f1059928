"""Workers that are killed, databases that go away, disks that fill: every acknowledged record is in the table once."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.spool import drain as drain_module
from tests.postgres import postgres
from tests.results import ROOT
from tests.serving.spool_cases import (
    append,
    drain_all,
    draining,
    environment,
    ids,
    left_by_the_dead,
    stored,
    whole_lines,
    writer,
)
from tremplin.settings import Settings, load_settings

KILLS = int(os.environ.get("TREMPLIN_TEST_KILLS", "2"))
PATIENCE = 60.0  # seconds


PEAK = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024"  # MiB


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of its own."""
    return load_settings(root=tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("fsync", ["group", "interval", "never"])
def test_killed_under_load_every_acknowledged_record_is_in_the_table_once(tmp_path: Path, fsync: str) -> None:
    settings = load_settings(root=tmp_path, spool_fsync=fsync)
    acknowledged: list[str] = []
    for kill in range(KILLS):
        process = writer(settings, 10**9, 8, "drain")
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().decode().strip())
        time.sleep(0.05 + 0.4 * (kill * 0.618 % 1))  # spread over the moments of a drain
        process.kill()
        acknowledged += whole_lines(process.communicate()[0])
    drain_all(settings, PATIENCE)
    found = stored(settings)
    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    assert list((settings.spool / settings.pilot).iterdir()) == []


def test_sqlite_locked_while_appends_go_on(settings: Settings) -> None:
    with draining(settings) as (spool, drain):
        append(spool, "a")
        assert drain.flush(PATIENCE)
        other = sqlite3.connect(settings.home / "store.db", isolation_level=None)
        other.execute("begin immediate")
        append(spool, *ids(500))
        assert not drain.flush(0.5)
        assert spool.depth == 500
        assert spool.problem is None
        other.execute("rollback")
        other.close()
        assert drain.flush(PATIENCE)
    assert stored(settings) == ["a", *ids(500)]


def test_postgres_stopped_and_started_while_appends_go_on(tmp_path: Path) -> None:
    with postgres() as url:
        settings = load_settings(root=tmp_path, store_url=url)
        with draining(settings) as (spool, drain):
            append(spool, *ids(5))
            assert drain.flush(PATIENCE)
            stop_postgres(url)
            append(spool, *ids(300, "q"))
            wait_until(lambda: drain.problem is not None)
            assert spool.depth == 300
            assert spool.problem is None
            with started_again(url):
                assert drain.flush(PATIENCE)
                append(spool, *ids(5, "r"))
                assert drain.flush(PATIENCE)
                assert stored(settings) == [*ids(5), *ids(300, "q"), *ids(5, "r")]


def test_a_database_that_is_away_at_start_gets_all_in_order_once_it_is_there(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "store.db").write_bytes(b"not a database" * 100)
    with draining(settings) as (spool, drain):
        append(spool, *ids(100))
        wait_until(lambda: drain.problem is not None)
        (settings.home / "store.db").unlink()
        assert drain.flush(PATIENCE)
        assert drain.problem is None
    with sqlite3.connect(settings.home / "store.db") as connection:
        found = [row[0] for row in connection.execute("select prediction_id from predictions order by rowid")]
    connection.close()
    assert found == ids(100)


def test_what_a_dead_worker_left_unreadable_holds_nothing_up_and_is_told_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    broken = left_by_the_dead(settings, *ids(3, "b"))
    content = broken.read_bytes()
    broken.unlink()
    broken.mkdir()
    (broken.parent.parent / "older").mkdir()
    (broken.parent.parent / "older" / "drained").mkdir()  # its mark cannot be read either
    left_by_the_dead(settings, *ids(3, "d"))
    with draining(settings) as (spool, drain):
        for identity in ids(4):
            append(spool, identity)
            assert drain.flush(PATIENCE)
        assert drain.problem is None
        assert {path.name for path in drain.unreadable} == {broken.parent.name, "older"}
        assert stored(settings) == [*ids(3, "d"), *ids(4)]
        broken.rmdir()
        broken.write_bytes(content)
        assert drain.flush(PATIENCE)
        assert {path.name for path in drain.unreadable} == {"older"}
    assert stored(settings) == [*ids(3, "b"), *ids(3, "d"), *ids(4)]
    told = [record.getMessage() for record in caplog.records if "cannot be moved" in record.getMessage()]
    assert len(told) == 2
    assert sum(str(broken.parent) in one for one in told) == 1


@pytest.mark.parametrize("put_back", ["a backup", "an empty database", "nothing"])
def test_a_replaced_sqlite_file_gets_all_that_is_answered_after(settings: Settings, put_back: str) -> None:
    store = settings.home / "store.db"
    with draining(settings) as (spool, drain):
        append(spool, *ids(3))
        assert drain.flush(PATIENCE)
        other = settings.home / "other.db"
        with sqlite3.connect(store) as source, sqlite3.connect(other) as copy:
            if put_back == "a backup":
                source.backup(copy)
            copy.execute("vacuum")  # an empty one has its header
        source.close()
        copy.close()
        for path in settings.home.glob("store.db*"):
            path.unlink()
        if put_back == "nothing":
            other.unlink()
        else:
            other.rename(store)
        append(spool, *ids(3, "q"))
        assert drain.flush(PATIENCE)
        assert drain.problem is None
        assert spool.depth == 0
    assert stored(settings) == [*(ids(3) if put_back == "a backup" else []), *ids(3, "q")]


def test_a_database_that_says_nothing_is_told_while_it_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "SILENCE", 0.5)
    with draining(settings) as (spool, drain):
        append(spool, "a")
        assert drain.flush(PATIENCE)
        time.sleep(1)
        assert drain.problem is None, "nothing was asked of it"
        other = sqlite3.connect(settings.home / "store.db", isolation_level=None)
        other.execute("begin immediate")
        append(spool, "b")
        wait_until(lambda: drain.problem is not None, 10)
        assert "the database has not answered for" in str(drain.problem)
        other.execute("rollback")
        other.close()
        assert drain.flush(PATIENCE)
        assert drain.problem is None
    assert stored(settings) == ["a", "b"]


def test_memory_does_not_grow_with_what_waits(tmp_path: Path) -> None:
    """60 MiB wait; draining them takes a few blocks of half a MiB and their rows."""
    settings = load_settings(root=tmp_path, spool_fsync="never")
    left_by_the_dead(settings, "a")
    little = int(draining_process(settings, PEAK).communicate(timeout=PATIENCE)[0])
    left_by_the_dead(settings, *ids(600), row={"text": "x" * 100_000})
    assert int(draining_process(settings, PEAK).communicate(timeout=PATIENCE)[0]) - little < 30
    assert stored(settings) == ["a", *ids(600)]


@pytest.mark.parametrize("fsync", ["group", "never"])
def test_a_full_disk_refuses_and_says_so_and_goes_on_when_there_is_space(
    tmp_path: Path, small_disk: Path, fsync: str
) -> None:
    settings = load_settings(root=tmp_path, spool=small_disk, spool_fsync=fsync)
    refused = fill_and_mend(
        settings, lambda: (small_disk / "ballast").write_bytes(b"x" * 3 * 2**20), small_disk
    )
    assert f"The disk of the spool {small_disk / 'flights'} is full. Free space there" in refused


def fill_and_mend(settings: Settings, fill: Callable[[], object], disk: Path) -> str:
    """A writer on a disk that fills, and is mended; how it refused. All that it acknowledged is drained."""
    process = writer(settings, 10**9, 4, WRITER_PADDING="2000")
    assert process.stdout is not None
    lines = []
    while not (line := process.stdout.readline().decode()).startswith("refused"):
        lines.append(line.strip())
        if len(lines) == 20:
            fill()
    refused = line
    (disk / "ballast").unlink()
    since = len(lines)
    while len(lines) < since + 5:
        line = process.stdout.readline().decode()
        if not line.startswith("refused"):
            lines.append(line.strip())
    process.kill()
    rest = [one for one in whole_lines(process.communicate()[0]) if not one.startswith("refused")]
    drain = drain_all(settings, PATIENCE)
    assert drain.damaged == 0, "nothing torn lies before whole frames"
    found = stored(settings)
    assert {*lines, *rest} <= set(found)
    assert len(found) == len(set(found))
    return refused


@pytest.mark.parametrize("fsync", ["group", "never"])
def test_a_file_that_may_not_grow_refuses_and_goes_on_when_it_may(tmp_path: Path, fsync: str) -> None:
    """What root is not needed for: the limit of the process, which tears a write in the middle as a full disk does."""
    settings = load_settings(root=tmp_path, spool_fsync=fsync)
    process = writer(settings, 10**9, 4)
    assert process.stdout is not None
    lines = [process.stdout.readline().decode().strip() for _ in range(10)]
    segment = next((settings.spool / settings.pilot).glob("*/*.spool"))
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (segment.stat().st_size + 1000, unlimited))
    line = ""
    while not line.startswith("refused"):
        line = process.stdout.readline().decode()
        lines += [line.strip()] * (not line.startswith("refused"))
    assert re.search(r"cannot be written \(File too large\)\. Mend its disk", line)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    while (line := process.stdout.readline().decode()).startswith("refused"):
        pass
    lines.append(line.strip())
    process.kill()
    lines += [one for one in whole_lines(process.communicate()[0]) if not one.startswith("refused")]
    assert drain_all(settings, PATIENCE).damaged == 0
    assert set(lines) <= set(stored(settings))


def test_a_read_only_disk_is_told_and_the_spool_goes_on_when_it_can_be_written(
    tmp_path: Path, small_disk: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    settings = load_settings(root=tmp_path, spool=small_disk / "spool")
    with draining(settings) as (spool, drain):
        assert spool.problem is not None
        assert "cannot be written (Read-only file system)" in spool.problem
        assert "TREMPLIN_SPOOL" in spool.problem
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        wait_until(lambda: spool.problem is None)
        append(spool, *ids(5))
        assert drain.flush(PATIENCE)
    assert stored(settings) == ids(5)


def test_two_drains_at_once_take_each_folder_once(settings: Settings) -> None:
    for worker in range(6):
        left_by_the_dead(settings, *ids(50, f"w{worker}-"))
    both = [draining_process(settings, "drain.drained") for _ in range(2)]
    drained = [int(process.communicate(timeout=PATIENCE)[0]) for process in both]
    assert sum(drained) == 300
    wait_until(lambda: drain_all(settings).drained == 0)
    assert len(stored(settings)) == 300
    assert list((settings.spool / settings.pilot).iterdir()) == []


def draining_process(settings: Settings, told: str) -> subprocess.Popen[bytes]:
    """A process that brings what the dead left into the table, and prints what it is told to."""
    program = f"""
import resource
from tests.serving.spool_cases import drain_all
from tremplin.settings import load_settings
drain = drain_all(load_settings())
print({told})
"""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | environment(settings),
        stdout=subprocess.PIPE,
    )


def stop_postgres(url: str) -> None:
    """End the server and every connection, as an administrator does."""
    lock = Path(url.partition("host=")[2]) / "data" / "postmaster.pid"
    os.kill(int(lock.read_text().split()[0]), signal.SIGINT)
    wait_until(lambda: not lock.exists())


@contextmanager
def started_again(url: str) -> Iterator[None]:
    """The same server once more; it ends with the context."""
    folder = Path(url.partition("host=")[2])
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    user = "postgres" if os.geteuid() == 0 else None
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            ["postgres", "-D", str(folder / "data"), *options], stdout=log, stderr=log, user=user, cwd=folder
        )
    try:
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def wait_until(true: Callable[[], bool], patience: float = 20) -> None:
    """Wait for something that happens by itself."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_each_acknowledgement_follows_the_fsync_that_holds_its_frame(tmp_path: Path) -> None:
    """What `group` promises of a power cut, read from the system calls of a real process; `never` promises less."""
    output, trace = traced(load_settings(root=tmp_path), tmp_path / "trace", "trace=write,fdatasync,fsync")
    acknowledged = acknowledged_after_fsync(trace)
    assert len(acknowledged) == 40
    assert {*acknowledged} == {*output}
    less = load_settings(root=tmp_path, spool_fsync="never")
    _, trace = traced(less, tmp_path / "trace-of-never", "trace=write,fdatasync,fsync")
    with pytest.raises(AssertionError, match="was acknowledged before it was safe"):
        acknowledged_after_fsync(trace)


def test_a_failed_fsync_refuses_its_group_and_the_spool_goes_on(tmp_path: Path) -> None:
    """After it nobody knows what the file holds: what is not acknowledged is taken back, and a new file begun."""
    settings = load_settings(root=tmp_path)
    failing = ("-e", "inject=fdatasync:error=EIO:when=3..4")
    output, _ = traced(settings, tmp_path / "trace", "trace=fdatasync", *failing)
    refused = [line for line in output if line.startswith("refused")]
    acknowledged = [line for line in output if not line.startswith("refused")]
    path = settings.spool / settings.pilot
    assert {line.partition(". ")[0] for line in refused} == {
        f"refused The spool {path} cannot be written (Input/output error)"
    }
    assert len(acknowledged) + len(refused) == 40
    drain = drain_all(settings, PATIENCE)
    assert drain.damaged == 0
    assert set(stored(settings)) == set(acknowledged), "what was refused is not in the table"


def traced(settings: Settings, trace: Path, *expressions: str) -> tuple[list[str], str]:
    """What a writer of 40 records printed, and its system calls."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    command = [sys.executable, "-m", "tests.serving.spool_writer", "40", "4"]
    done = subprocess.run(
        ["strace", "-f", "-s", "100000", "-o", str(trace), "-e", *expressions, *command],
        cwd=ROOT,
        env=os.environ | environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip("this machine does not let processes be traced")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), trace.read_text()


def acknowledged_after_fsync(trace: str) -> list[str]:
    """Ids in the order of their acknowledgements; fails where one came before its frame and the name of its file were safe."""
    written: dict[str, set[str]] = {}  # by file: ids that a write put there
    syncing: dict[
        str, tuple[str, set[str]]
    ] = {}  # by thread: the file, and what was in it when the fsync began
    safe: set[str] = set()
    folder_synced = False
    acknowledged = []
    for line in trace.splitlines():
        thread, call = line.split(maxsplit=1)
        if found := re.match(r'write\(1, "([^"\\]+)\\n"', call):
            assert found[1] in safe, f"{found[1]} was acknowledged before it was safe"
            assert folder_synced
            acknowledged.append(found[1])
        elif found := re.match(r'write\((\d+), "\\365TSP', call):
            written.setdefault(found[1], set()).update(
                re.findall(r'\{\\"prediction_id\\":\\"([^"\\]+)', call)
            )
        elif found := re.match(r"fdatasync\((\d+)", call):
            syncing[thread] = (found[1], set(written.get(found[1], ())))
            if call.endswith("= 0"):
                safe |= syncing.pop(thread)[1]
        elif re.match(r"<\.\.\. fdatasync resumed>.*= 0$", call):
            safe |= syncing.pop(thread)[1]
        elif re.match(r"(fsync\(\d+|<\.\.\. fsync resumed>).*= 0$", call):
            folder_synced = True
    return acknowledged
