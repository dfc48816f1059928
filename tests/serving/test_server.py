"""``python -m serving`` as a process: it starts, follows, and ends well."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store, predictions


def until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so; give up when the process ends or after a minute."""
    for _ in range(1200):
        if true():
            return
        assert process is None or process.poll() is None
        time.sleep(0.05)
    raise AssertionError("it never came true")


def test_a_go_live_is_followed_without_a_restart(
    release_factory: Any, serve: Any, settings: Settings, rows: list[dict[str, Any]]
) -> None:
    server = serve()
    assert httpx.get(f"{server.url}/livez").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 503
    first, second = (release_factory(settings.releases, threshold=threshold).id for threshold in (0.33, 0.4))
    for release in (first, second, first):
        change(open_store(settings), "flights", Live(champion=release), by="test", reason="go")
        until(lambda: httpx.get(f"{server.url}/release").json().get("champion") == release, server.process)  # noqa: B023
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert httpx.post(f"{server.url}/predict", json=rows[0]).json()["release"] == release


def test_the_end_refuses_new_callers_and_finishes_what_was_accepted(
    champion: Release, serve: Any, settings: Settings, rows: list[dict[str, Any]]
) -> None:
    server = serve()
    url = httpx.URL(server.url)
    body = httpx.Request("POST", url, json={"rows": rows}).content
    with socket.create_connection((url.host, url.port or 0)) as caller:
        head = f"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        caller.sendall(head.encode() + body[:1000])
        # The request is under way once the server has taken it off the socket, which an answer on another one shows.
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        server.process.terminate()

        def refused() -> bool:
            try:
                httpx.get(f"{server.url}/readyz")
            except httpx.TransportError:
                return True
            return False

        until(refused)
        assert server.process.poll() is None
        caller.sendall(body[1000:])
        answer = b""
        while part := caller.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"prediction_id") == len(rows)
    server.process.wait(timeout=30)
    with open_store(settings).connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(predictions)) == len(rows)


def run_to_the_end(settings: Settings, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {"TREMPLIN_HOME": str(settings.home), "TREMPLIN_PORT": "0", **variables}
    command = [sys.executable, "-m", "serving"]
    return subprocess.run(
        command, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_address_in_use_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_to_the_end(settings, TREMPLIN_PORT=str(port))
    assert ended.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("TREMPLIN_PORT", "eighty"), ("TREMPLIN_LIVE_POLL_SECONDS", "0")]
)
def test_a_setting_that_does_not_fit_is_named(settings: Settings, name: str, value: str) -> None:
    ended = run_to_the_end(settings, **{name: value})
    assert (ended.returncode, name in ended.stderr, "Traceback" in ended.stderr) == (1, True, False)


def test_the_server_loads_none_of_the_libraries_that_trained() -> None:
    heavy = ["mlflow", "prefect", "dvc", "pandas", "sklearn", "evidently", "lightgbm", "scipy", "pyarrow"]
    code = f"import sys, serving.__main__; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
