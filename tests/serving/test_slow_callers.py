"""Callers that send too much of a head, too slowly, or over too many connections; and those that are only slow."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from serving.access.tls import tls_options
from serving.connections import Bounds, Loop, bounded
from tests.serving.test_access_headers import certificate
from tremplin.settings import Settings

GET = b"GET / HTTP/1.1\r\nHost: test\r\n"
POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n"
SHORT = {"head_seconds": 0.6, "body_seconds": 1.2}
Start = Callable[..., int]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how many headers and bytes it got; /late takes a second, /much answers 64 MiB."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/late":
        import asyncio

        await asyncio.sleep(2.0)
    said = b"x" * 2**26 if scope["path"] == "/much" else f"{len(scope['headers'])} {size}".encode()
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server within bounds; gives its port."""
    with ExitStack() as stack:

        def run(tls: dict[str, Any] | None = None, **bounds: Any) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
            config = uvicorn.Config(
                echo, loop="serving.connections:Loop", http=bounded(Bounds(**bounds)), ws="none", lifespan="off", log_config=None,
                timeout_graceful_shutdown=1, **tls or {},
            )  # fmt: skip
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()

            def end() -> None:
                server.should_exit = True
                thread.join(10)

            stack.callback(end)
            while not server.started:
                time.sleep(0.01)
            port: int = listener.getsockname()[1]
            return port

        yield run


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def rest(caller: socket.socket) -> bytes:
    """What comes until the server closes; a reset is a close."""
    found = b""
    try:
        while part := caller.recv(65536):
            found += part
    except ConnectionError:
        pass
    return found


def test_a_head_that_is_too_long_is_answered_with_431(start: Start) -> None:
    port = start()
    for head in (
        GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
        GET + b"X: " + b"a" * 40_000,  # its end never comes
        b"GET /" + b"a" * 40_000,
        GET + b"".join(b"h%d: 1\r\n" % index for index in range(101)) + b"\r\n",
    ):
        with call(port) as caller:
            caller.sendall(head)
            answer = rest(caller)
        assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert b"application/problem+json" in answer
        assert b"nosniff" in answer


def test_a_head_within_bounds_is_answered(start: Start) -> None:
    port = start()
    with call(port) as caller:
        caller.sendall(GET + b"X: " + b"a" * 16_000)
        time.sleep(0.1)
        caller.sendall(b"a" * 16_000 + b"\r\nConnection: close\r\n\r\n")
        assert rest(caller).startswith(b"HTTP/1.1 200")
    many = {f"h{index}": "1" for index in range(90)}
    assert httpx.get(f"http://127.0.0.1:{port}/", headers=many).status_code == 200


@pytest.mark.parametrize(
    "begin",
    [
        GET + b"X: ",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",  # a trailer
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",  # a chunk's extension
    ],
)
def test_nothing_endless_is_read_to_its_end(start: Start, begin: bytes) -> None:
    with call(start()) as caller:
        caller.sendall(begin)
        sent = 0
        with pytest.raises(ConnectionError):  # noqa: PT012 - it is refused somewhere on the way
            for _ in range(64):
                sent += caller.send(b"a" * 2**20)
                time.sleep(0.01)
        assert sent < 32 * 2**20


def test_trailers_are_no_headers(start: Start) -> None:
    with call(start()) as caller:
        caller.sendall(
            b"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        caller.sendall(b"3\r\nabc\r\n0\r\nAuthorization: Bearer late\r\n\r\n")
        assert rest(caller).endswith(b"3 3")


@pytest.mark.parametrize(("sent", "said"), [(b"", b""), (GET, b"HTTP/1.1 408"), (b"\r\n" * 9, b"")])
def test_a_head_that_does_not_come_ends_the_connection(start: Start, sent: bytes, said: bytes) -> None:
    with call(start(**SHORT)) as caller:
        begun = time.monotonic()
        caller.sendall(sent)
        answer = rest(caller)
        assert 0.5 < time.monotonic() - begun < 5
    assert answer[:12] == said


def test_a_head_that_drips_ends_the_connection_after_an_answer_too(start: Start) -> None:
    with call(start(**SHORT)) as caller:
        caller.sendall(GET + b"\r\n")
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")
        begun, answer = time.monotonic(), b""
        caller.settimeout(0.1)
        for index in range(100):
            try:
                caller.sendall((GET + b"x: " + b"a" * 100)[index : index + 1])
                answer += caller.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if answer:
                break
        assert time.monotonic() - begun < 5
        assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_that_does_not_come_is_answered_with_408(start: Start) -> None:
    port = start(**SHORT)
    with call(port) as caller:
        caller.sendall(POST + b"half")
        assert rest(caller).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200


def test_a_body_that_comes_slowly_within_its_time_is_taken(start: Start) -> None:
    with call(start(head_seconds=0.3, body_seconds=5)) as caller:
        size = 8 * 2**20
        caller.sendall(
            f"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode()
        )
        for _ in range(16):
            caller.sendall(b" " * (size // 16))
            time.sleep(0.1)
        assert rest(caller).endswith(f"3 {size}".encode())


def test_the_time_of_the_server_is_not_the_callers(start: Start) -> None:
    with call(start(**SHORT)) as caller:
        late = GET.replace(b"/ ", b"/late ", 1)
        caller.sendall(late + b"\r\n" + GET + b"Connection: close\r\n\r\n")  # pipelined
        assert rest(caller).count(b"HTTP/1.1 200") == 2
    with call(start(**SHORT)) as caller:
        caller.sendall(late + b"\r\n" + GET)  # of the second only half
        assert rest(caller).startswith(b"HTTP/1.1 200")


def test_who_does_not_take_its_answer_is_left(start: Start) -> None:
    port = start(**SHORT)
    with call(port) as caller:
        caller.sendall(GET.replace(b"/ ", b"/much ", 1) + b"\r\n")
        time.sleep(6.5)  # longer than uvicorn keeps an idle connection, and than it is waited for after that
        assert len(rest(caller)) < 2**26


def test_silent_connections_make_room(start: Start) -> None:
    port = start(connections=20)
    with ExitStack() as stack:
        silent = [stack.enter_context(call(port)) for _ in range(60)]
        for caller in silent[40:]:
            caller.sendall(b"GET / HT")
        for _ in range(30):
            assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        assert rest(silent[0]) == b""


def test_beyond_the_connections_that_have_asked_there_is_503(start: Start) -> None:
    port = start(connections=5)
    with ExitStack() as stack:
        asking = [stack.enter_context(call(port)) for _ in range(5)]
        for caller in asking:
            caller.sendall(POST + b"half")
        time.sleep(0.3)
        with call(port) as late:
            assert rest(late).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        for caller in asking:
            caller.sendall(b"x" * 996)
            assert caller.recv(65536).startswith(b"HTTP/1.1 200")
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200


def test_a_connection_is_kept_for_the_next_request(start: Start) -> None:
    caller = HTTPConnection("127.0.0.1", start(**SHORT), timeout=10)
    for _ in range(5):
        caller.request("POST", "/", b"abc")
        assert caller.getresponse().read().endswith(b" 3")
        time.sleep(0.3)
    local = caller.sock.getsockname()
    time.sleep(0.7)
    caller.request("GET", "/")
    assert caller.getresponse().read().endswith(b" 0")
    assert caller.sock.getsockname() == local
    caller.close()


def test_the_same_bounds_under_tls(
    start: Start, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loop, "handshake_seconds", 0.6)
    cert, key = certificate(tmp_path / "tls")
    port = start(tls_options(settings.model_copy(update={"tls_certificate": cert, "tls_key": key})), **SHORT)
    trusting = ssl.create_default_context(cafile=cert)
    answer = httpx.post(f"https://127.0.0.1:{port}/", content=b"x" * 2**23, verify=trusting)
    assert answer.text.endswith(str(2**23))
    with call(port) as silent:
        begun = time.monotonic()
        assert rest(silent) == b""
        assert time.monotonic() - begun < 5
    for sent, said in ((GET, b"408"), (GET + b"X: " + b"a" * 40_000, b"431")):
        with call(port) as plain, trusting.wrap_socket(plain, server_hostname="127.0.0.1") as caller:
            caller.sendall(sent)
            answered = rest(caller)
        assert answered.startswith(b"HTTP/1.1 " + said)
        assert b"strict-transport-security" in answered
