"""An error that nobody foresaw: its traceback in the log, a problem document without a word of it for the caller."""

from __future__ import annotations

import logging
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import Problem

log = logging.getLogger("serving")


class UnforeseenMiddleware:
    """Answers 500 as RFC 9457 asks; ``instance`` is the id that the log has too.

    Not an exception handler of the framework: Starlette raises again after that one, and the server would log the
    traceback a second time, without the id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; answer what broke, unless its answer has begun."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or begun:
                raise  # the connection is closed, and the server logs why
            await unforeseen(scope).response()(scope, receive, send)


def unforeseen(scope: Scope) -> Problem:
    """Called where an error is handled that nobody foresaw: the log has its traceback, under the problem's ``instance``."""
    request = uuid4().urn
    log.exception("%s %s failed: request %s", scope["method"], scope["path"], request)  # noqa: LOG004  (its callers handle one)
    detail = (
        "The server failed at this request. Whoever runs it finds the reason in its log under `instance`."
    )
    return Problem(500, "Internal Server Error", detail, instance=request)
