"""Who is asked for a credential, and that the API's description says so, and how to send it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from serving.access.keys import add
from serving.access.roles import Role
from serving.live_routes import public
from tests.serving.conftest import Client
from tremplin.release import Release
from tremplin.settings import Settings


@pytest.fixture
def key(settings: Settings) -> str:
    """From now on, callers are asked."""
    return add(settings.api_keys, "auditor", (Role.AUDIT,), datetime.now(UTC))


def test_the_description_says_who_is_asked_and_what_they_are_told(
    champion: Release, client: Client, key: str
) -> None:
    sent = {"x-api-key": key}
    names = {"prediction_id": "0" * 32, "name": "flights", "version": champion.id}
    refused = [({}, 401), ({**sent, "authorization": f"Bearer {key}"}, 400)]

    async def story() -> None:
        async with client() as one:
            document = (await one.get("/openapi.json", headers=sent)).json()
            schemes = document["components"]["securitySchemes"]
            assert [schemes["bearer"]["scheme"], schemes["key"]["name"]] == ["bearer", "X-API-Key"]
            asking = []
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    for headers, status in refused:
                        got = await one.request(method, path.format(**names), headers=headers)
                        assert (got.status_code == status) is ("security" in operation), (method, path)
                        if got.status_code == status:
                            told = operation["responses"][str(status)]["content"]
                            assert got.headers["content-type"] in told, (method, path, status)
                    if "security" in operation:
                        asking.append(path)
                        assert operation["security"] == [{"bearer": []}, {"key": []}]
                        assert {"400", "401", "403", "429"} <= operation["responses"].keys()
            assert {"/predict", "/outcomes", "/release", "/log", "/v2"} <= set(asking)
            assert {"/livez", "/readyz", "/notice"}.isdisjoint(asking)
            for path in ("/release", "/log"):
                for headers in ({}, sent, refused[1][0]):
                    got = await one.get(path, headers=headers)
                    told = document["paths"][path]["get"]["responses"][str(got.status_code)]
                    assert got.headers["content-type"] in told["content"]

    asyncio.run(story())


def test_only_development_tells_everybody_why_it_is_not_ready(settings: Settings) -> None:
    reason = "the store postgresql://me@host/db does not answer"
    assert public(reason, settings) == reason
    told = public(reason, settings.model_copy(update={"environment": "production"}))
    assert told is not None
    assert "host" not in told
    assert public(None, settings) is None
