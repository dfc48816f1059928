"""Starting a contestant in its environment, on its core, and ending it with all that it started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.contest.contestant import Contestant
from benchmarks.contest.environments import Failed, environment
from benchmarks.contest.world import World
from tests.results import ROOT

START = 120.0  # seconds
STOP = 20.0


@dataclass(frozen=True)
class Running:
    """A server that is ready."""

    contestant: Contestant
    url: str
    process: subprocess.Popen[bytes]
    ready_seconds: float  # from the start of the process to the first 200

    def pss_mib(self) -> float:
        """Memory of the process and all it started, what is shared counted in parts (PSS)."""
        return sum(_pss(one.pid) for one in family(self.process.pid)) / 1024

    def cpu_seconds(self) -> float:
        """Processor time that they took so far, the kernel's for them included: what other work on the machine hardly changes."""
        times = [one.cpu_times() for one in family(self.process.pid)]
        return sum(one.user + one.system for one in times)


def prepare(contestant: Contestant, world: World, folder: Path) -> None:
    """Write what the contestant serves, in its own environment.

    Raises:
        Failed: it does not work.
    """
    if not contestant.prepare:
        return
    command = _filled(contestant.prepare, environment(contestant, folder), world, 0, world.folder)
    done = subprocess.run(
        command,
        cwd=world.folder,
        env=_variables(contestant, world, folder, 0, world.folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"its model cannot be made: {done.stderr.strip()[-500:]}")


@contextmanager
def running(contestant: Contestant, world: World, folder: Path, *, cores: str) -> Iterator[Running]:
    """The server, started and answering.

    Raises:
        Failed: it does not start; the end of what it said.
    """
    port, home = free_port(), folder / "homes" / contestant.name.replace(" ", "-")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(world.folder / contestant.home, home) if contestant.home else home.mkdir(parents=True)
    command = _filled(contestant.command, environment(contestant, folder), world, port, home)
    said = home.with_suffix(".log")
    with said.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            cwd=ROOT,
            env=_variables(contestant, world, folder, port, home),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while get_status(url + contestant.ready) != 200:
            if process.poll() is not None or time.perf_counter() - begun > START:
                raise Failed(f"it does not start: {said.read_text('utf-8', 'replace').strip()[-800:]}")
            time.sleep(0.005)
        yield Running(contestant, url, process, time.perf_counter() - begun)
    finally:
        end(process)
        shutil.rmtree(home, ignore_errors=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the server; SIGKILL to what of it is still there after a while."""
    started = family(process.pid)
    process.terminate()
    _gone, left = psutil.wait_procs(started, STOP)
    for one in left:
        one.send_signal(signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[psutil.Process]:
    """A process and all that come from it."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def get_status(url: str) -> int:
    """0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and content."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - the same
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _filled(parts: Sequence[str], programs: Path, world: World, port: int, home: Path) -> list[str]:
    command = [part.format(port=port, world=world.folder, home=home) for part in parts]
    return [str(programs / command[0]), *command[1:]]


def _variables(contestant: Contestant, world: World, folder: Path, port: int, home: Path) -> dict[str, str]:
    """This process's, without settings of ours; one thread for every library that counts cores, for there is one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TREMPLIN_")}
    shared = {
        "PATH": f"{environment(contestant, folder)}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "BENCH_WORLD": str(world.folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    own = {
        name: value.format(home=home, port=port, world=world.folder)
        for name, value in contestant.variables.items()
    }
    return inherited | shared | own


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
