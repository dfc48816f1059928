"""What a caller may make the server wait for and keep, before anybody has asked who it is.

uvicorn reads a request's head however long it is, waits for its end however long that takes, and accepts connections until it has
no descriptors left.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import uvloop
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.access.headers import answer_headers

MOST = 512  # connections of a process; beyond it they would wait for each other anyway
REMINDED = 60.0  # seconds between two lines in the log that say so

TOO_LONG = (
    "At most {bounds.head_bytes} bytes and {bounds.headers} headers; nothing endless after a body either."
)

log = logging.getLogger("serving")


@dataclass
class Bounds:
    """Of one server; its connections share them."""

    head_bytes: int = 32 * 2**10  # request line and headers; a credential is half of it at most
    headers: int = 100
    head_seconds: float = 10.0  # for a whole head
    body_seconds: float = 30.0  # for a whole body, and for taking an answer
    connections: int = MOST
    said_full: float = -REMINDED  # time of the loop

    @classmethod
    def of_process(cls) -> Bounds:
        """Half of the descriptors at most: the store, the spool and the releases need some too."""
        return cls(connections=min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, within bounds.

    A head that is too long is answered with 431, a head or a body that does not become whole in time with 408; both end the
    connection. The time in which it is the server's turn does not count. Where there are too many connections, the one that has
    waited longest without asking anything is closed for a new one; if all have asked, the new one is answered with 503 at once,
    whatever it was to ask: probes too.
    """

    def __init__(self, *args: Any, bounds: Bounds, **given: Any) -> None:
        super().__init__(*args, **given)
        self._bounds = bounds
        self._in_head, self._too_long = False, False
        self._unread = 0  # bytes since the last part that was whole: a head, a piece of a body, a request
        self.due = 0.0  # time of the loop when the caller must have done what it is waited for
        self._timer: asyncio.TimerHandle | None = None

    # What asyncio says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, if there is room."""
        super().connection_made(transport)
        self._wait(self._bounds.head_seconds)
        self._timer = self.loop.call_later(self._bounds.head_seconds, self._look)
        if len(self.connections) > self._bounds.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is never whole is not kept for ever."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self._bounds.head_bytes and not self.transport.is_closing():
            self.end(431, TOO_LONG.format(bounds=self._bounds))

    def pause_writing(self) -> None:
        """The caller does not take its answer as fast as it comes."""
        super().pause_writing()
        self._wait(self._bounds.body_seconds)

    # What the parser says

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._in_head = True
        self._wait(self._bounds.head_seconds)

    def on_headers_complete(self) -> None:
        """A whole head."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.headers) > self._bounds.headers or size > self._bounds.head_bytes:
            self._too_long = True
            raise ValueError("too long")  # the parser stops, and send_400_response is called
        self._in_head, self._unread = False, 0
        self._wait(self._bounds.body_seconds)
        super().on_headers_complete()
        self.headers = []  # trailers are no headers (RFC 9110, section 6.5.1)

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A whole request."""
        self._unread = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser did not read on."""
        if self._too_long:
            self.end(431, TOO_LONG.format(bounds=self._bounds))
        else:
            super().send_400_response(msg)

    # What the application says

    def on_response_complete(self) -> None:
        """An answer was given; the next request may come."""
        super().on_response_complete()
        self._wait(self.timeout_keep_alive + self._bounds.head_seconds)

    # What the time says

    def _wait(self, seconds: float) -> None:
        self.due = self.loop.time() + seconds

    def _look(self) -> None:
        """Whether the caller took too long. One timer a connection: to set and cancel one a request would cost each of them."""
        now = self.loop.time()
        if now >= self.due:
            if self.transport.is_closing() or self.flow.write_paused:
                self.transport.abort()  # it does not take what it was sent
                return
            if self._is_served():
                self._wait(self._bounds.head_seconds)
            else:
                self._too_slow()
        self._timer = self.loop.call_later(min(self.due - now, self._bounds.head_seconds), self._look)

    def _is_served(self) -> bool:
        """Whether it is the server's turn."""
        if self.pipeline or self.flow.read_paused:
            return True
        return self.unanswered() and not self.cycle.more_body

    def unanswered(self) -> bool:
        """Whether the server owes an answer, or waits for the rest of a request."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _too_slow(self) -> None:
        if self.unanswered():
            self.end(408, f"The body was not whole within {self._bounds.body_seconds:g} s.")
        elif self._in_head:
            self.end(408, f"The head was not whole within {self._bounds.head_seconds:g} s.")
        else:
            self.end()

    # The end

    def _make_room(self) -> None:
        """Close who has waited longest without asking; if there is nobody, this one."""
        others = (one for one in self.connections if one is not self and isinstance(one, BoundedProtocol))
        waiting = [one for one in others if not one.unanswered() and not one.transport.is_closing()]
        if self.loop.time() >= self._bounds.said_full + REMINDED:
            self._bounds.said_full = self.loop.time()
            log.warning("%d connections are open, as many as there may be.", self._bounds.connections)
        if waiting:
            min(waiting, key=lambda one: one.due).end()
        else:
            self.end(503, "Too many connections; try again in a moment.")

    def end(self, status: int = 0, detail: str = "") -> None:
        """Close, with an answer where none has begun."""
        if self.unanswered():
            begun = self.cycle.response_started
            self.cycle.disconnected = True  # whoever waits for its body waits no more
            self.cycle.message_event.set()
        else:
            begun = False
        if status and not begun:
            self.transport.write(_answer(status, detail, tls=self.scheme == "https"))
        self.transport.close()
        self._wait(self._bounds.head_seconds)  # to take it


class Loop(uvloop.Loop):
    """For ``uvicorn.Config(loop=...)``, which has no setting for it: who does not say hello under TLS is not waited for a minute.

    Until then a connection is none yet, so it does not count as one either.
    """

    handshake_seconds: ClassVar[float] = 10.0

    async def create_server(self, *args: Any, **given: Any) -> Any:
        """The same, with that limit."""
        if given.get("ssl"):
            given["ssl_handshake_timeout"] = self.handshake_seconds
        return await super().create_server(*args, **given)


def bounded(bounds: Bounds) -> Any:
    """For ``uvicorn.Config(http=...)``: it makes the protocol of each connection."""
    return partial(BoundedProtocol, bounds=bounds)


def _answer(status: int, detail: str, *, tls: bool) -> bytes:
    """A whole answer, with a problem document (RFC 9457)."""
    phrase = HTTPStatus(status).phrase
    body = to_json({"type": "about:blank", "title": phrase, "status": status, "detail": detail})
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *answer_headers(tls=tls),
    ]
    head = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, phrase.encode(), head, body)
