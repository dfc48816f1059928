"""What breaks where nobody foresaw it: a problem document without its inside, and the traceback in the log."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store

Ask = Callable[..., httpx.Response]


@pytest.fixture
def broken(release_factory: Any, settings: Settings) -> Release:
    """A signed release that opens and cannot answer: its profile says of a text between which numbers it lies."""

    def numbers_of_a_text(profile: bytes) -> bytes:
        content = json.loads(profile)
        content["ranges"]["carrier"] = [0.0, 1.0]
        return json.dumps(content).encode()

    release: Release = release_factory(settings.releases, edit={"profile.json": numbers_of_a_text})
    change(open_store(settings), settings.pilot, Live(champion=release.id), by="test", reason="go")
    return release


def test_the_caller_gets_a_problem_document_and_the_log_the_traceback(
    broken: Release, client: Any, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    async def story() -> tuple[httpx.Response, httpx.Response, str]:
        async with client() as one:
            failed = await one.post("/predict", json=rows[0])
            return failed, await one.get("/readyz"), (await one.get("/metrics")).text

    with caplog.at_level(logging.ERROR, "serving"):
        answer, ready, metrics = asyncio.run(story())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail", "instance"}
    for inside in ("TypeError", "carrier", "Traceback", ".py", rows[0]["carrier"]):
        assert inside not in answer.text.replace(document["instance"], "")
    assert UUID(document["instance"]).urn == document["instance"]
    (record,) = caplog.records
    assert document["instance"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is TypeError
    assert ready.status_code == 200
    assert 'tremplin_requests_total{route="/predict",status="500"} 1.0' in metrics


def test_a_server_says_the_reason_once_and_goes_on(
    capfd: pytest.CaptureFixture[str], broken: Release, serve: Any, rows: list[dict[str, Any]]
) -> None:
    server = serve()
    instance = httpx.post(f"{server.url}/predict", json=rows[0]).json()["instance"]
    assert httpx.get(f"{server.url}/livez").status_code == 200
    end(server.process)
    said = capfd.readouterr().err
    assert said.count("TypeError:") == 1
    assert instance in said


def test_a_caller_who_leaves_is_no_failure_of_the_server(
    capfd: pytest.CaptureFixture[str], champion: Release, serve: Any, rows: list[dict[str, Any]]
) -> None:
    server = serve()
    url = httpx.URL(server.url)
    head = "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    with socket.create_connection((url.host, url.port or 0)) as caller:
        caller.sendall(head.encode() + b"{")
        assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert httpx.post(f"{server.url}/predict", json=rows[0]).status_code == 200
    end(server.process)
    assert "Traceback" not in capfd.readouterr().err


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(timeout=30)
