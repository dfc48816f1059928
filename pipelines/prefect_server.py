"""A local Prefect server and the process that serves the deployments, as child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tremplin.errors import TremplinError
from tremplin.settings import Settings

if TYPE_CHECKING:
    import httpx

START_SECONDS = 180  # a fresh database takes 20 to 30 s on two cores


def environment(settings: Settings, api: str | None = None) -> dict[str, str]:
    """Prefect's settings: state under ``home``, no telemetry, time enough for an in-process server to start."""
    values = {
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # the v2 pages call an analytics host
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(START_SECONDS),
        # The command line says in one paragraph what went wrong; a traceback on top of it helps nobody.
        "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "CRITICAL"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    if api:
        values["PREFECT_API_URL"] = api
    return values


@contextlib.contextmanager
def calling_flows(settings: Settings, api: str | None = None) -> Iterator[None]:
    """Settings of a process that calls flows itself and waits for them; to be entered before Prefect is imported."""
    values = environment(settings, api)
    if "PREFECT_API_URL" in os.environ and api is None:
        values.pop("PREFECT_HOME")  # a real server was configured: only the manners are set here
    else:
        (settings.home / "prefect").mkdir(parents=True, exist_ok=True)  # Prefect does not make the parents
        if (
            api is None
        ):  # after Ctrl-C the server of this process group is gone: asking it five times takes a minute
            values["PREFECT_CLIENT_MAX_RETRIES"] = "1"
    os.environ.update(values)
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Whoever waits for a flow sees that it crashed; the thread that would tell others holds each end back by up to a second.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Children:
    """Processes that end with this one; a rerun first ends what a killed run left behind."""

    def __init__(self, settings: Settings) -> None:
        self._pids = settings.home / "prefect" / "pids"
        self._logs = settings.home / "logs"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        end_orphans(settings.home)
        self._pids.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, _leave)  # so that whoever stops us stops them

    def start(self, name: str, command: list[str], env: dict[str, str], cwd: Path) -> subprocess.Popen[bytes]:
        """Start a process whose output goes to ``home/logs/<name>.log``."""
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=os.environ | env,
                cwd=cwd,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        (self._pids / str(process.pid)).write_text(command[-1])
        self._running[name] = process
        return process

    def check(self, name: str) -> None:
        """Raise if a process that should run has ended."""
        if self._running[name].poll() is not None:
            log = self._logs / f"{name}.log"
            tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-5:])
            raise TremplinError(
                f"The {name} process ended with code {self._running[name].returncode}. {log} ends:\n{tail}"
            )

    def finish(self, name: str) -> None:
        """Wait for a process that ends by itself; raise if it failed."""
        if self._running[name].wait() != 0:
            self.check(name)

    def stop(self) -> None:
        """End them all, politely first."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            (self._pids / str(process.pid)).unlink(missing_ok=True)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C would, with what stands in ``finally``."""
    raise SystemExit(128 + signal.SIGTERM)


def end_orphans(home: Path) -> None:
    """End what an earlier run that was killed left behind, if the process numbers still belong to it."""
    for left in (home / "prefect" / "pids").glob("*"):
        with contextlib.suppress(OSError):
            if left.read_text() in Path(f"/proc/{left.name}/cmdline").read_text():
                os.killpg(int(left.name), signal.SIGKILL)
        left.unlink(missing_ok=True)


def start_server(children: Children, settings: Settings, port: int) -> str:
    """Start ``prefect server``; the URL of its API. It answers some seconds later."""
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    children.start("prefect-server", command, environment(settings, api), settings.root)
    return api


def start_serving(children: Children, settings: Settings, api: str, pilot: str) -> None:
    """Start the process that runs deployments and registers the automation."""
    env = environment(settings, api) | {
        "TREMPLIN_ROOT": str(settings.root),
        "TREMPLIN_HOME": str(settings.home),
    }
    children.start(
        "prefect-serve", [sys.executable, "-m", "pipelines.serve", "--pilot", pilot], env, settings.root
    )


def wait_for_server(children: Children, api: str) -> None:
    """Wait until the server answers."""
    import httpx

    with httpx.Client(trust_env=False) as client:
        for _ in _until("the Prefect server", children, "prefect-server"):
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{api}/health").status_code == 200:
                    return


def wait_for_automation(children: Children, api: str) -> None:
    """Wait until the retraining automation is registered."""
    import httpx

    with httpx.Client(trust_env=False) as client:
        for _ in _until("the retraining automation", children, "prefect-serve"):
            with contextlib.suppress(httpx.HTTPError):
                if client.post(f"{api}/automations/filter", json={}).json():
                    return


def failed_runs(client: httpx.Client, api: str) -> list[str]:
    """What flow runs that failed on the server said, the newest first."""
    query = {
        "flow_runs": {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}},
        "sort": "START_TIME_DESC",
        "limit": 5,
    }
    return [str(run["state"]["message"]) for run in client.post(f"{api}/flow_runs/filter", json=query).json()]


def _until(what: str, children: Children, name: str) -> Iterator[None]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        children.check(name)
        yield
        time.sleep(0.2)
    raise TremplinError(
        f"Waited {START_SECONDS} s for {what}, in vain. Its log is in .tremplin/logs/{name}.log"
    )
