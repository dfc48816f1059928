"""A small application that uses the real door, and requests to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
from fastapi import Depends, FastAPI, Request, Response

from serving.access.admission import Access, require
from serving.access.roles import Caller, Role
from serving.problems import Problem


def app_of(access: Access) -> FastAPI:
    """One route a role, and one that charges for rows."""
    app = FastAPI()

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return error.response()

    for role in Role:
        allowed = Depends(require(access, role))

        @app.get(f"/{role}")
        async def route(caller: Caller = allowed) -> dict[str, Any]:
            return {"identity": caller.identity, "kind": caller.kind, "roles": sorted(caller.roles)}

    known = Depends(require(access, None))

    @app.get("/rows/{rows}")
    async def rows(rows: int, caller: Caller = known) -> str:
        await access.charge(caller, rows)
        return caller.identity

    return app


def ask(access: Access, path: str, client: str = "192.0.2.1", **headers: str) -> httpx.Response:
    """One request, from an address of a documentation range."""

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app_of(access), client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as one:
            return await one.get(
                path, headers={name.replace("_", "-"): value for name, value in headers.items()}
            )

    return asyncio.run(go())


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def eventually(holds: Callable[[], bool]) -> None:
    """Within two seconds."""
    end = time.monotonic() + 2
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
