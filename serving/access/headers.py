"""What a browser is told to make of our answers (OWASP Secure Headers Project)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALL = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
ANSWER = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),  # an answer is about somebody
]
# /docs runs files of its own, none from elsewhere and nothing that stands in the page; `data:` are Swagger UI's icons.
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = [(b"content-security-policy", PAGE_POLICY)]
HSTS = (
    b"strict-transport-security",
    b"max-age=31536000",
)  # a year; whether subdomains have TLS is not ours to know


def answer_headers(*, tls: bool) -> list[tuple[bytes, bytes]]:
    """Those of an answer."""
    return [*ALL, *ANSWER, HSTS] if tls else [*ALL, *ANSWER]


class SecurityHeadersMiddleware:
    """Adds them to every answer. ``tls``: whether this process serves HTTPS itself."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self.app = app
        self._answer = answer_headers(tls=tls)
        self._page = [*(header for header in self._answer if header not in ANSWER), *PAGE]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add to the headers on their way out."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        more = self._page if path == "/docs" or path.startswith("/docs/") else self._answer

        async def added(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self.app(scope, receive, added)
