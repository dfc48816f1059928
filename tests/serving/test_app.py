"""The routes around /predict."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from serving.predicting import prediction_id
from tremplin.release import Release

Ask = Callable[..., httpx.Response]


def test_alive_but_not_ready_without_a_release(ask: Ask) -> None:
    assert ask("GET", "/livez").json() == {"status": "alive"}
    answer = ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "no release is live for pilot flights: run tremplin approve",
    )
    assert ask("GET", "/release").status_code == 503
    assert "Row" not in ask("GET", "/openapi.json").json()["components"]["schemas"]


def test_ready_with_one(champion: Release, ask: Ask) -> None:
    assert ask("GET", "/readyz").json() == {"status": "ready"}


def test_release_says_what_is_live_and_where_it_comes_from(champion: Release, ask: Ask) -> None:
    facts = ask("GET", "/release").json()
    assert (facts["pilot"], facts["version"], facts["champion"], facts["share"]) == (
        "flights",
        1,
        champion.id,
        0.0,
    )
    assert facts["challenger"] is None
    manifest = facts["releases"][champion.id]
    assert manifest["decision_threshold"] == 0.33
    assert manifest["go_no_go"]["by"] == "Camille Laurent"
    assert "files" not in manifest


def test_openapi_is_the_contract(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> None:
    document = ask("GET", "/openapi.json").json()
    assert document["info"]["title"] == "Departures from New York (flights)"
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**body["schema"], "components": document["components"]})
    for named in body["examples"].values():
        validator.validate(named["value"])
        assert ask("POST", "/predict", json=named["value"]).status_code == 200
    validator.validate(rows[0])
    assert not validator.is_valid({**rows[0], "origin": "CDG"})
    assert not validator.is_valid({**rows[0], "temp": 999})
    assert document["components"]["schemas"]["Row"]["properties"]["temp"]["unit"] == "degree Fahrenheit"
    said = {**document["components"]["schemas"]["Prediction"], "components": document["components"]}
    answer = ask("POST", "/predict", json=rows[0]).json()
    Draft202012Validator(said).validate(answer)
    assert not Draft202012Validator(said).is_valid({**answer, "score": 1.2})
    assert set(said["required"]) == set(answer)


def test_the_docs_load_nothing_from_elsewhere(champion: Release, ask: Ask) -> None:
    page = ask("GET", "/docs").text
    assert "//" not in re.sub(r"<!--.*?-->", "", page)
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) == 4
    for asset in assets:
        answer = ask("GET", f"/{asset}")
        assert answer.status_code == 200
        assert len(answer.content) > 100


def test_metrics_count_what_happened(champion: Release, client: Any, rows: list[dict[str, Any]]) -> None:
    import asyncio

    async def story() -> str:
        async with client() as one:
            await one.post("/predict", json={"rows": [*rows[:9], {**rows[9], "temp": 119.5}]})
            await one.post("/predict", json={})
            for path in ("/wp-admin", "/wp-login", "/docs/assets/favicon.png"):
                await one.get(path)
            return str((await one.get("/metrics")).text)

    text = asyncio.run(story())
    for line in (
        'tremplin_requests_total{route="/predict",status="200"} 1.0',
        'tremplin_requests_total{route="/predict",status="422"} 1.0',
        'tremplin_requests_total{route="other",status="404"} 2.0',  # callers make no labels
        'tremplin_requests_total{route="/docs",status="200"} 1.0',
        'tremplin_request_seconds_count{route="/predict"} 2.0',
        f'tremplin_predictions_total{{cohort="champion",release="{champion.id}"}} 10.0',
        'tremplin_out_of_range_total{feature="temp"} 1.0',
        "tremplin_live_version 1.0",
        "tremplin_log_failures_total 0.0",
    ):
        assert line in text, line


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics", "/livez"])
def test_pages_are_there_without_a_release(ask: Ask, path: str) -> None:
    assert ask("GET", path).status_code == 200


def test_prediction_ids_are_uuids_in_order_of_time() -> None:
    from datetime import UTC, datetime, timedelta
    from uuid import RFC_4122, UUID

    moment = datetime(2013, 7, 1, tzinfo=UTC)
    ids = [prediction_id(moment + timedelta(milliseconds=step)) for step in range(1000)]
    assert ids == sorted(ids)
    assert {(UUID(one).version, UUID(one).variant, len(one)) for one in ids} == {(7, RFC_4122, 32)}
    assert len({prediction_id(moment) for _ in range(1000)}) == 1000


def test_a_path_or_a_method_that_is_not_there_is_a_problem_document(ask: Ask) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/docs/assets/no.js", 404),
        ("GET", "/predict", 405),
    ):
        answer = ask(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        document = answer.json()
        assert (document["status"], document["type"]) == (status, "about:blank")
        assert f"{method} {path}" in document["detail"]
    assert (answer.headers["allow"], document["title"]) == ("POST", "Method Not Allowed")
    assert document["detail"] == "GET /predict is not possible; POST is."
