"""POST /predict: each row by its cohort's release, logged before it is answered; faults named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa

from tests.serving.conftest import logged
from tremplin.contract import Contract
from tremplin.frame import model_frame
from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store

Ask = Callable[..., httpx.Response]


@pytest.fixture
def contract(release_factory: Any) -> Contract:
    found: Contract = release_factory.pilot.contract
    return found


def test_the_scores_are_those_of_the_trained_pipeline(
    release_factory: Any, champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract
) -> None:
    answers = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    trained = release_factory.pipeline.predict_proba(
        model_frame(release_factory.rows.head(len(rows)), contract)
    )[:, 1]
    scores = np.array([answer["score"] for answer in answers])
    assert np.abs(scores - trained).max() < 1e-5
    assert len(set(scores.round(6))) > 50
    assert [answer["key"] for answer in answers] == [row["flight_id"] for row in rows]
    assert [answer["decision"] for answer in answers] == [score >= 0.33 for score in scores]
    assert {answer["release"] for answer in answers} == {champion.id}
    assert len({answer["prediction_id"] for answer in answers}) == len(rows)


def test_one_row_gets_one_answer(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> None:
    answer = ask("POST", "/predict", json=rows[0])
    assert answer.status_code == 200
    found = answer.json()
    known = {"prediction_id", "score", "decision", "review"}
    assert {name: value for name, value in found.items() if name not in known} == {
        "key": rows[0]["flight_id"], "excluded": None, "release": champion.id, "cohort": "champion", "out_of_range": [],
        "ai_system": "Late arrivals from New York", "notice": "/notice",
    }  # fmt: skip
    assert known <= found.keys()
    assert found["decision"] is (found["score"] >= 0.33)


def test_what_is_answered_is_in_the_store_as_it_was_asked(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    answers = ask("POST", "/predict", json={"rows": rows[:20]}).json()["predictions"]
    entries = {entry.prediction_id: entry for entry in logged(settings)}
    assert len(entries) == 20
    for row, answer in zip(rows, answers, strict=False):
        entry = entries[answer["prediction_id"]]
        assert (entry.pilot, entry.release_id, entry.cohort, entry.key) == (
            "flights",
            champion.id,
            "champion",
            row["flight_id"],
        )
        assert (entry.subject, entry.score, entry.decision) == (
            row["desk"],
            answer["score"],
            answer["decision"],
        )
        assert entry.event_time.isoformat() == row["scheduled_departure"].replace(".000000Z", "+00:00")
        time = {"scheduled_departure": entry.row["scheduled_departure"]}
        assert entry.row == {**row, **time}
        assert time["scheduled_departure"][:19] == row["scheduled_departure"][:19]


def test_an_answer_that_cannot_be_logged_is_not_given(
    champion: Release, client: Any, rows: list[dict[str, Any]], settings: Settings
) -> None:
    settings.home.mkdir(exist_ok=True)
    settings.spool.write_text("a file where a folder must be")

    async def story() -> None:
        async with client() as one:
            for body in (rows[0], {"rows": rows}):
                refused = await one.post("/predict", json=body)
                assert refused.status_code == 503
                assert refused.headers["content-type"] == "application/problem+json"
                assert refused.headers["retry-after"] == "1"
                assert "score" not in refused.text
                assert f"The spool {settings.spool}" in refused.json()["detail"]
            assert (await one.get("/readyz")).status_code == 503
            assert "tremplin_log_failures_total 2.0" in (await one.get("/metrics")).text
            settings.spool.unlink()  # it goes on by itself
            for _attempt in range(100):
                if (await one.get("/readyz")).status_code == 200:
                    break
                await asyncio.sleep(0.05)
            assert (await one.post("/predict", json={"rows": rows})).status_code == 200

    asyncio.run(story())
    assert len(logged(settings)) == len(rows)


def test_a_charter_that_allows_it_is_answered_without_a_log_and_that_is_counted(
    release_factory: Any, client: Any, rows: list[dict[str, Any]], settings: Settings
) -> None:
    def unlogged(sheet: bytes) -> bytes:
        return sheet.replace(b'"unlogged":false', b'"unlogged":true')

    release = release_factory(settings.releases, edit={"service.json": unlogged})
    change(open_store(settings), "flights", Live(champion=release.id), by="test", reason="go")
    settings.spool.write_text("a file where a folder must be")

    async def story() -> None:
        async with client() as one:
            assert (await one.post("/predict", json={"rows": rows[:7]})).status_code == 200
            text = (await one.get("/metrics")).text
            assert "tremplin_unlogged_total 7.0" in text
            assert "tremplin_log_failures_total 1.0" in text

    asyncio.run(story())


def test_a_locked_store_holds_up_no_answer_and_gets_it_once_it_is_free(
    champion: Release, client: Any, rows: list[dict[str, Any]], settings: Settings
) -> None:
    async def story() -> None:
        async with client() as one:
            with open_store(settings).connect() as lock:
                lock.execute(sa.text("begin immediate"))
                for row in rows[:5]:
                    assert (await asyncio.wait_for(one.post("/predict", json=row), 5)).status_code == 200
                assert (await one.get("/readyz")).status_code == 200
                assert "tremplin_spool_depth 5.0" in (await one.get("/metrics")).text
                lock.rollback()

    asyncio.run(story())
    assert sorted(entry.key for entry in logged(settings)) == sorted(row["flight_id"] for row in rows[:5])


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_the_callers_trace_is_kept_and_one_that_is_none_is_not(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings, path: str
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    none = ("00-" + "0" * 32 + "-b7ad6b7169203331-01", "nonsense", trace.upper(), "x" * 60)
    for row, sent in zip(rows, (trace, *none), strict=False):
        assert ask("POST", path, json=row, headers={"traceparent": sent}).status_code == 200
    kept = {entry.key: entry.traceparent for entry in logged(settings)}
    assert [kept[row["flight_id"]] for row in rows[:5]] == [trace, None, None, None, None]


def test_each_subject_is_answered_by_its_cohorts_release(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    first, second = (release_factory(settings.releases, threshold=threshold).id for threshold in (0.33, 0.01))
    state = Live(champion=first, challenger=second, share=0.5, rollout_key="wave")
    change(open_store(settings), "flights", state, by="test", reason="wave")
    answers = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    assert {answer["cohort"] for answer in answers} == {"champion", "challenger"}
    for row, answer in zip(rows, answers, strict=True):
        assert answer["key"] == row["flight_id"]
        assert answer["cohort"] == state.cohort(row["desk"])
        assert answer["release"] == state.release(answer["cohort"])
        assert answer["decision"] == (answer["score"] >= (0.33 if answer["release"] == first else 0.01))
    alone = [ask("POST", "/predict", json=row).json() for row in rows[:3]]
    assert [one["cohort"] for one in alone] == [answer["cohort"] for answer in answers[:3]]  # sticky


def test_a_row_that_a_narrower_challenger_does_not_accept_is_the_champions(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    def narrower(contract: bytes) -> bytes:
        assert b"{minimum: 10, maximum: 6000}" in contract
        return contract.replace(b"{minimum: 10, maximum: 6000}", b"{minimum: 10, maximum: 2000}")

    first = release_factory(settings.releases, threshold=0.33).id
    second = release_factory(settings.releases, threshold=0.4, edit={"contract.yaml": narrower}).id
    state = Live(champion=first, challenger=second, share=1.0, rollout_key="wave")
    change(open_store(settings), "flights", state, by="test", reason="wave")
    answers = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    far = [row["distance"] > 2000 for row in rows]
    assert 0 < sum(far) < len(far)
    assert [answer["release"] for answer in answers] == [first if beyond else second for beyond in far]
    assert [answer["cohort"] == "champion" for answer in answers] == far


def test_a_pilot_without_subjects_draws_cohorts_by_row(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    def no_subject(contract: bytes) -> bytes:
        return contract.replace(b"tags: [subject]", b"tags: []")

    first, second = (
        release_factory(settings.releases, threshold=threshold, edit={"contract.yaml": no_subject}).id
        for threshold in (0.33, 0.4)
    )
    state = Live(champion=first, challenger=second, share=0.5, rollout_key="wave")
    change(open_store(settings), "flights", state, by="test", reason="wave")
    answers = ask("POST", "/predict", json={"rows": rows[:40]}).json()["predictions"]
    assert {answer["release"] for answer in answers} == {first, second}
    assert all(answer["cohort"] == state.cohort(answer["key"]) for answer in answers)
    assert {entry.subject for entry in logged(settings)} == {None}


def test_values_that_training_never_saw_are_named(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    odd = {**rows[0], "temp": 119.5, "dest": "ZZZ"}
    answer = ask("POST", "/predict", json=odd).json()
    assert answer["out_of_range"] == ["temp", "dest"]


def test_without_a_release_nothing_is_predicted(ask: Ask, rows: list[dict[str, Any]]) -> None:
    answer = ask("POST", "/predict", json=rows[0])
    assert answer.status_code == 503
    assert "run tremplin approve" in answer.json()["detail"]
