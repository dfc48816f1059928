"""A real HTTP service of a city: a paged list in five dialects, that fails on demand; and files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


class City(ThreadingHTTPServer):
    """``rows`` is the list; each request takes one of ``faults`` (None: none) until they are used up."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.rows = rows(35)
        self.time = "at"  # the field that `since` and `before` are about
        self.size = 10  # rows a page, whatever is asked for
        self.faults: list[str | None] = []
        self.asked: list[str] = []  # path and query of every request
        self.etags = False
        self.declared: int | None = None  # another total than the true one
        self.files: dict[str, bytes] = {}  # by path
        self.token = ""  # what Authorization must hold
        self.waiting = threading.Event()  # a stalled answer has begun
        self.over = threading.Event()  # stalled answers may end

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def city() -> Iterator[City]:
    """The service, until the end of the block."""
    service = City()
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.over.set()
        service.shutdown()
        service.server_close()
        thread.join()


def rows(count: int) -> list[dict[str, Any]]:
    """Checks of lamps, one an hour."""
    return [
        {
            "id": f"L{n}", "at": f"2024-01-{2 + n // 24:02}T{n % 24:02}:00:00Z", "age": n / 2,
            "place": {"quarter": "port" if n % 3 else "north"}, "flickers": n if n % 4 else None,
        }
        for n in range(count)
    ]  # fmt: skip


class _Answering(BaseHTTPRequestHandler):
    server: City
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silence."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if self.headers.get("Authorization", "") != self.server.token and self.server.token:
            fault = "401"
        if fault is None or not self._fail(fault):
            address = urlsplit(self.path)
            if address.path in self.server.files:
                self._send(self.server.files[address.path], "application/octet-stream", cut=fault)
            else:
                self._page(
                    address.path, {key: values[0] for key, values in parse_qs(address.query).items()}, fault
                )

    def do_HEAD(self) -> None:
        fault = self.server.faults.pop(0) if self.server.faults else None
        if self.headers.get("Authorization", "") != self.server.token and self.server.token:
            fault = "401"
        if fault is not None and self._fail(fault):
            return
        if urlsplit(self.path).path in self.server.files:
            self._send(self.server.files[urlsplit(self.path).path], "application/octet-stream")
        else:
            self._send(b"", status=404)

    def _fail(self, fault: str) -> bool:
        """Whether the fault is the whole answer."""
        name, _, detail = fault.partition(" ")
        if name.isdigit():
            headers = dict(part.split("=", 1) for part in detail.split(";") if part)
            self._send(b'{"error": "no"}', status=int(name), headers=headers)
        elif name == "drop":
            self.close_connection = True
        elif name == "html":
            self._send(b"<html>please log in</html>", "text/html")
        elif name == "stall":
            self.server.waiting.set()
            self.server.over.wait(20)
            self.close_connection = True
        elif name == "drip":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "100000")
            self.end_headers()
            try:
                while not self.server.over.wait(0.05):
                    self.wfile.write(b" ")
            except OSError:
                pass
            self.close_connection = True
        else:
            return False
        return True

    def _page(self, path: str, asked: dict[str, str], fault: str | None) -> None:
        time, size = self.server.time, self.server.size
        everything = self.server.rows
        if "since" in asked and "before" in asked:
            everything = [row for row in everything if asked["since"] <= row[time] < asked["before"]]
        begin = {
            "/numbered": (int(asked.get("page", 1)) - 1) * size, "/offset": int(asked.get("offset", 0)),
            "/cursor": int(asked.get("cursor", "c0")[1:]), "/next": int(asked.get("from", 0)),
            "/link": int(asked.get("from", 0)),
        }.get(path)  # fmt: skip
        if begin is None:
            self._send(b'{"error": "no such list"}', status=404)
            return
        if fault == "repeat":
            begin = max(begin - size, 0)
        following = begin + size if begin + size < len(everything) else None
        window = {name: asked[name] for name in ("since", "before") if name in asked}
        address = f"{path}?{urlencode(window | {'from': following})}"
        total = len(everything) if self.server.declared is None else self.server.declared
        part = everything[begin : begin + size]
        body: Any = {"items": part, "meta": {"total": total, "state": len(everything)}}
        headers = {"X-Total-Count": str(total)}
        if path == "/cursor":
            body["cursor"] = None if following is None else f"c{following}"
        if path == "/next" and following is not None:  # the last page leaves it out
            body["next"] = f"http://elsewhere.invalid{path}" if fault == "elsewhere" else address
        if path == "/link":
            body = part
            next_link = f'<{address}>; rel="next", ' if following is not None else ""
            headers["Link"] = f'{next_link}<{path}>; rel="first"'
        self._send(json.dumps(body).encode(), "application/json", headers=headers, cut=fault)

    def _send(
        self,
        content: bytes,
        kind: str = "application/json",
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        cut: str | None = None,
    ) -> None:
        etag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
        if self.server.etags and self.headers.get("If-None-Match") == etag:
            status, content = 304, b""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if self.server.etags:
            self.send_header("ETag", etag)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        sent = content
        if cut in ("cut", "damaged"):  # of a table, whole lines: nothing in it tells that some are missing
            sent = content[: len(content) // 2]
            sent = sent[: sent.rfind(b"\n") + 1] or sent
        self.send_header("Content-Length", str(len(sent if cut == "damaged" else content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)
        self.close_connection = cut is not None
