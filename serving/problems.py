"""Faults of a request, as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class Problem(Exception):
    """What is answered instead of a prediction."""

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        self.status, self.headers = status, headers
        self.document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
        super().__init__(detail)

    def response(self) -> Response:
        """As ``application/problem+json``; a passing fault says when to try again."""
        headers = {"Retry-After": "1"} if self.status == 503 else self.headers
        return Response(to_json(self.document), self.status, headers, "application/problem+json")


def of_routing(request: Request, error: HTTPException) -> Problem:
    """What the framework says of a path or a method (404, 405), with its headers: 405 names in Allow what is possible."""
    asked = f"{request.method} {request.url.path}"
    allowed = (error.headers or {}).get("Allow")
    detail = (
        f"{asked} is not possible; {allowed} is."
        if allowed
        else f"{asked}: see /openapi.json for what there is."
    )
    return Problem(error.status_code, HTTPStatus(error.status_code).phrase, detail, error.headers)
