"""Rows that a release was not proven on: no answer, the reason, and the log says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from tests.serving.conftest import logged
from tremplin.release import Release
from tremplin.settings import Settings

Ask = Callable[..., httpx.Response]
SMALL, UNSEEN = "1 rows of evaluation, 200 needed", "0 rows of evaluation, 200 needed"


def test_a_row_of_a_group_that_is_excluded_gets_the_reason_and_no_score(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    asked = [rows[0], rows[1] | {"carrier": "OO"}, rows[2] | {"carrier": "ZZ"}, rows[3]]
    answers = ask("POST", "/predict", json={"rows": asked}).json()["predictions"]
    assert [answer["excluded"] for answer in answers] == [
        None,
        f"carrier OO: {SMALL}",
        f"carrier ZZ: {UNSEEN}",
        None,
    ]
    assert [answer["score"] is None for answer in answers] == [False, True, True, False]
    assert [answer["decision"] is None for answer in answers] == [False, True, True, False]
    assert [answer["key"] for answer in answers] == [row["flight_id"] for row in asked]
    entries = {entry.prediction_id: entry for entry in logged(settings)}
    for answer in answers:
        entry = entries[answer["prediction_id"]]
        assert (entry.excluded, entry.score, entry.decision) == (
            answer["excluded"],
            answer["score"],
            answer["decision"],
        )


def test_they_are_counted_and_the_release_names_them(
    champion: Release, client: Any, rows: list[dict[str, Any]]
) -> None:
    async def go() -> tuple[str, dict[str, Any]]:
        async with client() as one:
            await one.post("/predict", json={"rows": [rows[0], rows[1] | {"carrier": "OO"}]})
            return (await one.get("/metrics")).text, (await one.get("/release")).json()

    metrics, live = asyncio.run(go())
    assert f'tremplin_excluded_total{{release="{champion.id}",segment="carrier"}} 1.0' in metrics
    (segment,) = live["releases"][champion.id]["coverage"]
    assert segment["columns"] == ["carrier"]
    assert [left["group"] for left in segment["excluded"]] == [["OO"]]
    assert ["UA"] in segment["served"]
