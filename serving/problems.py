"""Faults of a request, as problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


class Problem(Exception):
    """What is answered instead of a prediction."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        self.status = status
        self.document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
        super().__init__(detail)

    def response(self) -> Response:
        """As ``application/problem+json``; a passing fault says when to try again."""
        headers = {"Retry-After": "1"} if self.status == 503 else None
        return Response(to_json(self.document), self.status, headers, "application/problem+json")
