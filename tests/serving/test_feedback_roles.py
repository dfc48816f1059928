"""Who may send what back and ask what; who sent it is kept with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from serving.access.keys import add
from serving.access.roles import Role
from tests.serving.test_inference_protocol import json_inputs
from tremplin.release import Release
from tremplin.settings import Settings

Ask = Callable[..., httpx.Response]
NEEDED = {
    ("POST", "/outcomes"): Role.OUTCOME,
    ("POST", "/reviews"): Role.REVIEW,
    ("POST", "/explain"): Role.EXPLAIN,
    ("GET", "/predictions/{id}"): Role.AUDIT,
    ("GET", "/predictions/{id}/explanation"): Role.EXPLAIN,
    ("POST", "/v2/models/flights/infer"): Role.PREDICT,
}
PROTOCOL = ("/v2", "/v2/models/flights")


@pytest.fixture
def keys(settings: Settings) -> dict[str, dict[str, str]]:
    """A header for each role, of a caller named after it."""
    now = datetime.now(UTC)
    return {
        role: {"authorization": f"Bearer {add(settings.api_keys, f'the-{role}', (role,), now)}"}
        for role in Role
    }


@pytest.fixture
def identity(champion: Release, ask: Ask, rows: list[dict[str, Any]], keys: dict[str, dict[str, str]]) -> str:
    found: str = ask("POST", "/predict", json=rows[0], headers=keys["predict"]).json()["prediction_id"]
    return found


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_a_route_is_open_to_its_role_alone(
    identity: str, ask: Ask, keys: dict[str, dict[str, str]], method: str, path: str
) -> None:
    for role in Role:
        content = {"content": b"{}"} if method == "POST" else {}
        headers = keys[role] | {"content-type": "application/json"}
        got = ask(method, path.replace("{id}", identity), headers=headers, **content)
        assert (got.status_code == 403) is (role is not NEEDED[method, path]), got.text
        assert got.status_code in (200, 400, 403, 422)
    nobody = ask(method, path.replace("{id}", identity))
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert list(nobody.json()) == ["error"] if path.startswith("/v2") else nobody.json()["status"] == 401


def test_the_protocol_tells_its_model_to_whoever_is_known(
    identity: str, ask: Ask, keys: dict[str, dict[str, str]]
) -> None:
    for path in PROTOCOL:
        assert ask("GET", path, headers=keys["operate"]).status_code == 200
        assert ask("GET", path).status_code == 401
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/flights/ready"):
        assert ask("GET", path).status_code == 200


def test_who_sent_it_is_kept(
    identity: str, ask: Ask, rows: list[dict[str, Any]], keys: dict[str, dict[str, str]]
) -> None:
    outcome = {"key": rows[0]["flight_id"], "label": True, "known_at": "2013-03-05T00:00:00Z"}
    assert ask("POST", "/outcomes", json=outcome, headers=keys["outcome"]).status_code == 200
    review = {"prediction_id": identity, "decision": "confirm", "by": "somebody else"}
    refused = ask("POST", "/reviews", json=review, headers=keys["review"])
    assert [fault["field"] for fault in refused.json()["errors"]] == ["by"]
    del review["by"]
    assert ask("POST", "/reviews", json=review, headers=keys["review"]).status_code == 201
    found = ask("GET", f"/predictions/{identity}", headers=keys["audit"]).json()
    assert (found["outcome"]["by"], found["reviews"][0]["by"]) == ("the-outcome", "the-review")


def test_a_client_of_the_protocol_with_a_key_is_answered(
    identity: str, ask: Ask, rows: list[dict[str, Any]], keys: dict[str, dict[str, str]], release_factory: Any
) -> None:
    body = {"inputs": json_inputs(release_factory.pilot.contract, rows[:1])}
    assert ask("POST", "/v2/models/flights/infer", json=body, headers=keys["predict"]).status_code == 200
