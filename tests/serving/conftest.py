"""The application in this process, with one or two releases live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from serving.app import create_app
from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store, predictions

Client = Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def champion(release_factory: Any, settings: Settings) -> Release:
    """A release that is live for everybody."""
    release: Release = release_factory(settings.releases)
    change(open_store(settings), settings.pilot, Live(champion=release.id), by="test", reason="go")
    return release


@pytest.fixture
def client(settings: Settings) -> Client:
    """The application, started; leaving the context ends it."""

    @asynccontextmanager
    async def run() -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as one,
        ):
            yield one

    return run


@pytest.fixture
def ask(client: Client) -> Callable[..., httpx.Response]:
    """One request to the application, from a test that is not a coroutine."""
    import asyncio

    def request(method: str, path: str, **given: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            async with client() as one:
                return await one.request(method, path, **given)

        answer: Coroutine[Any, Any, httpx.Response] = go()
        return asyncio.run(answer)

    return request


@pytest.fixture
def rows(release_factory: Any) -> list[dict[str, Any]]:
    """Real rows as a caller sends them."""
    from pipelines.replaying import request_rows

    return request_rows(release_factory.rows.head(200), release_factory.pilot.contract)


def logged(settings: Settings) -> list[sa.Row[Any]]:
    """What the store holds, in the order of the answers."""
    with open_store(settings).connect() as connection:
        return list(connection.execute(sa.select(predictions).order_by(predictions.c.prediction_id)))
