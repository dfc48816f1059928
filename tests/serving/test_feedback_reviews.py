"""POST /reviews and GET /predictions/{id}: what a person decided stands beside what was answered."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import Engine

from serving.feedback.reviews import Reviews
from serving.predicting import prediction_id
from serving.problems import Problem
from tests.serving.conftest import logged
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import predictions
from tremplin.target import Task

Ask = Callable[..., httpx.Response]


@pytest.fixture
def answer(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = ask("POST", "/predict", json=rows[0]).json()
    return found


def confirm(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"prediction_id": answer["prediction_id"], "decision": "confirm", "by": "Camille", **more}


def override(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {"decision": "override", "value": not answer["decision"], "reason": "the crew is late"}
    return confirm(answer) | given | more


def test_several_people_review_and_a_retry_adds_nothing(answer: dict[str, Any], ask: Ask) -> None:
    sent = [
        (confirm(answer, rating=4, comment="clear"), 201, 1),
        (confirm(answer, rating=4, comment="clear"), 200, 1),
        (override(answer), 201, 2),
        (confirm(answer, rating=4, comment="clear"), 201, 3),  # she came back to it
        (override(answer, by="Louis"), 201, 4),
    ]
    for body, status, number in sent:
        got = ask("POST", "/reviews", json=body)
        assert (got.status_code, got.json()["number"]) == (status, number), got.text
    found = ask("GET", f"/predictions/{answer['prediction_id']}").json()
    assert [(one["by"], one["decision"], one["value"]) for one in found["reviews"]] == [
        ("Camille", "confirm", None),
        ("Camille", "override", not answer["decision"]),
        ("Camille", "confirm", None),
        ("Louis", "override", not answer["decision"]),
    ]


def test_an_idempotency_key_is_of_one_review(answer: dict[str, Any], ask: Ask) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = ask("POST", "/reviews", json=confirm(answer), headers=key)
    between = ask("POST", "/reviews", json=override(answer), headers={"Idempotency-Key": "k-2"})
    again = ask("POST", "/reviews", json=confirm(answer), headers=key)
    assert [first.status_code, between.status_code, again.status_code] == [201, 201, 200]
    assert again.json() == first.json() | {"new": False}
    assert ask("POST", "/reviews", json=override(answer), headers=key).status_code == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"value": None}, "value"), ({"value": 0.5}, "value"), ({"value": "yes"}, "value"),
        ({"reason": None}, "reason"), ({"reason": " "}, "reason"), ({"reason": "x" * 1001}, "reason"),
        ({"rating": 0}, "rating"), ({"rating": 6}, "rating"), ({"rating": 4.5}, "rating"), ({"rating": True}, "rating"),
        ({"comment": "x" * 4001}, "comment"), ({"by": None}, "by"), ({"by": ""}, "by"), ({"decision": "maybe"}, "decision"),
        ({"decision": "confirm"}, "value"), ({"prediction_id": 1}, "prediction_id"), ({"mood": "good"}, "mood"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    answer: dict[str, Any], ask: Ask, change: dict[str, Any], field: str
) -> None:
    got = ask("POST", "/reviews", json=override(answer) | change)
    assert got.status_code == 422, got.text
    assert [one["field"] for one in got.json()["errors"]] == [field]
    assert ask("GET", f"/predictions/{answer['prediction_id']}").json()["reviews"] == []


def test_what_was_answered_is_confirmed_and_not_overridden(answer: dict[str, Any], ask: Ask) -> None:
    assert ask("POST", "/reviews", json=override(answer, value=answer["decision"])).status_code == 409


def test_nothing_is_confirmed_where_nothing_was_answered(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    left_out = ask("POST", "/predict", json=rows[0] | {"carrier": "OO"}).json()
    assert left_out["excluded"]
    assert ask("POST", "/reviews", json=confirm(left_out)).status_code == 409
    given = confirm(left_out) | {"decision": "override", "value": True, "reason": "a person decides"}
    assert ask("POST", "/reviews", json=given).status_code == 201


@pytest.mark.parametrize(
    ("age", "status"), [(0.0, 503), (40.0, 503), (-30.0, 503), (90.0, 404), (-3600.0, 404)]
)
def test_what_another_server_may_have_answered_just_now_is_not_denied(
    champion: Release, ask: Ask, age: float, status: int
) -> None:
    made = prediction_id(datetime.now(UTC) - timedelta(seconds=age))
    for got in (
        ask("GET", f"/predictions/{made}"),
        ask("GET", f"/predictions/{made}/explanation"),
        ask("POST", "/reviews", json=confirm({"prediction_id": made})),
    ):
        assert got.status_code == status, got.text
        assert got.headers.get("retry-after") == ("1" if status == 503 else None)
        assert ("may be on its way" in got.json()["detail"]) == (status == 503)


def test_an_unknown_prediction_is_404(champion: Release, ask: Ask) -> None:
    assert ask("POST", "/reviews", json=confirm({"prediction_id": "0" * 32})).status_code == 404
    for path in ("0" * 32, "x", "%00", "a%2Fb", "%ED%A0%80"):
        got = ask("GET", f"/predictions/{path}")
        assert got.status_code == 404, path
        assert got.headers["content-type"] == "application/problem+json"


def test_a_prediction_is_told_whole(
    answer: dict[str, Any], ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    ask("POST", "/outcomes", json={"key": answer["key"], "label": 1, "known_at": "2013-03-05T01:00:00+01:00"})
    found = ask("GET", f"/predictions/{answer['prediction_id']}").json()
    [entry] = logged(settings)
    received = found.pop("received_at")
    assert datetime.fromisoformat(received) == entry.received_at
    assert received.endswith("Z")
    assert found["outcome"].pop("received_at").endswith("Z")
    time = rows[0]["scheduled_departure"].replace(".000000", "")
    assert found["row"] == found["row"] | rows[0] | {"scheduled_departure": time}
    assert found == {
        "prediction_id": answer["prediction_id"], "pilot": "flights", "release": answer["release"], "cohort": "champion",
        "key": answer["key"], "subject": rows[0]["desk"], "event_time": time,
        "score": answer["score"], "decision": answer["decision"], "excluded": None, "review": entry.review,
        "traceparent": None, "row": found["row"], "reviews": [],
        "outcome": {"label": True, "known_at": "2013-03-05T00:00:00Z", "by": "anonymous"},
    }  # fmt: skip


def test_an_impossible_id_is_asked_of_no_store(
    champion: Release, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres refuses a question that holds U+0000, which would look as if it were away."""
    from serving.feedback import lookups

    monkeypatch.setattr(lookups, "find", None)
    for path in ("%00", "x" * 32, "0" * 37, "A" * 32):
        assert ask("GET", f"/predictions/{path}").status_code == 404


def test_people_who_review_at_once_get_numbers_of_their_own(engine: Engine) -> None:
    now = datetime(2013, 3, 5, tzinfo=UTC)
    with engine.begin() as connection:
        connection.execute(
            predictions.insert().values(
                prediction_id="1", pilot="p", release_id="r", cohort="champion", key="k", row={}, event_time=now,
                received_at=now, score=12.5,
            )
        )  # fmt: skip
    book = Reviews("p", Task.REGRESSION)
    plain = dict.fromkeys(("value", "reason", "rating", "comment"))
    given = [{"prediction_id": "1", "decision": "confirm", "by": f"p{n}", **plain} for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: book.add(engine, one, None, now), given))
    assert sorted(one for one in found if one) == [(number, True) for number in range(1, 7)]
    with pytest.raises(Problem, match="decided as the answer did"):
        book.add(engine, given[0] | {"decision": "override", "value": 12.5, "reason": "r"}, None, now)
    assert book.add(engine, given[0] | {"prediction_id": "2"}, None, now) is None


def test_requests_are_counted_by_route_and_not_by_prediction(champion: Release, client: Any) -> None:
    import asyncio

    async def story() -> str:
        async with client() as one:
            for path in (
                "/predictions/1",
                "/predictions/2/explanation",
                "/v2/models/flights",
                "/v2",
                "/predictionsx",
            ):
                await one.get(path)
            await one.post("/reviews")
            return str((await one.get("/metrics")).text)

    text = asyncio.run(story())
    for line in (
        'tremplin_requests_total{route="/predictions",status="404"} 2.0',
        'tremplin_requests_total{route="/v2",status="200"} 2.0',
        'tremplin_requests_total{route="/reviews",status="415"} 1.0',
        'tremplin_requests_total{route="other",status="404"} 1.0',
    ):
        assert line in text, line
