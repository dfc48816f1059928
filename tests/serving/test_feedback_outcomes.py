"""POST /outcomes: taken once, whole or not at all; what contradicts is set aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from serving.feedback.outcomes import OutcomeReader, record
from serving.problems import Problem
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store, outcome_receipts, outcomes, outcomes_set_aside

Ask = Callable[..., httpx.Response]
KNOWN_AT = "2013-03-05T00:00:00Z"


@pytest.fixture
def asked(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two rows that were answered."""
    ask("POST", "/predict", json={"rows": rows[:2]})
    return rows[:2]


def told(row: dict[str, Any], label: Any = True, known_at: str = KNOWN_AT) -> dict[str, Any]:
    return {"key": row["flight_id"], "label": label, "known_at": known_at}


def stored(settings: Settings, table: sa.Table) -> list[Any]:
    with open_store(settings).connect() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.key)))


def test_an_outcome_is_taken_once(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    ask("POST", "/predict", json={"rows": rows[:3]})
    one, many = told(rows[0]), {"outcomes": [told(rows[0]), told(rows[1], 0), told(rows[2], False)]}
    first, again, more = (ask("POST", "/outcomes", json=body) for body in (one, one, many))
    assert [answer.status_code for answer in (first, again, more)] == [200, 200, 200]
    assert first.json() == {"new": 1, "known": 0, "set_aside": 0, "unpredicted": 0}
    assert again.json() == {"new": 0, "known": 1, "set_aside": 0, "unpredicted": 0}
    assert more.json() == {"new": 2, "known": 1, "set_aside": 0, "unpredicted": 0}
    assert {row.key: row.label for row in stored(settings, outcomes)} == {
        rows[0]["flight_id"]: 1.0, rows[1]["flight_id"]: 0.0, rows[2]["flight_id"]: 0.0,
    }  # fmt: skip
    assert {row.known_at for row in stored(settings, outcomes)} == {datetime(2013, 3, 5, tzinfo=UTC)}
    assert {row.by for row in stored(settings, outcome_receipts)} == {"anonymous"}


def test_what_contradicts_is_set_aside_and_not_merged(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    ask("POST", "/outcomes", json=told(rows[0], True))
    for _ in range(2):
        answer = ask("POST", "/outcomes", json=told(rows[0], False, "2013-03-06T00:00:00Z"))
        assert answer.json() == {"new": 0, "known": 0, "set_aside": 1, "unpredicted": 0}
    within = {"outcomes": [told(rows[1], True), told(rows[1], False), told(rows[1], True)]}
    assert ask("POST", "/outcomes", json=within).json() == {
        "new": 1, "known": 1, "set_aside": 1, "unpredicted": 1,
    }  # fmt: skip
    assert [row.label for row in stored(settings, outcomes)] == [1.0, 1.0]
    aside = stored(settings, outcomes_set_aside)
    assert [(row.key, row.label, row.by) for row in aside] == sorted(
        (row["flight_id"], 0.0, "anonymous") for row in rows[:2]
    )
    assert all("is 1" in row.reason for row in aside)


def test_an_outcome_of_what_was_never_asked_is_taken_and_said(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    assert ask("POST", "/outcomes", json=told(rows[0])).json()["unpredicted"] == 1
    ask("POST", "/predict", json=rows[0])
    assert ask("POST", "/outcomes", json=told(rows[0])).json() == {
        "new": 0, "known": 1, "set_aside": 0, "unpredicted": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": 2}, "label"),
        ({"label": "true"}, "label"),
        ({"label": 0.5}, "label"),
        ({"label": None}, "label"),
        ({"key": ""}, None),
        ({"key": "x" * 41}, "key"),
        ({"key": 7}, "key"),
        ({"known_at": "2013-03-05T00:00:00"}, "known_at"),
        ({"known_at": "2013-03-05"}, "known_at"),
        ({"known_at": 1362441600}, "known_at"),
        ({"known_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, "known_at"),
        ({"known_at": "1999-12-31T00:00:00Z"}, "known_at"),
        ({"more": 1}, "more"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_taken(
    asked: list[dict[str, Any]], ask: Ask, settings: Settings, change: dict[str, Any], field: str | None
) -> None:
    answer = ask("POST", "/outcomes", json={"outcomes": [told(asked[0]), told(asked[1]) | change]})
    if field is None:  # a text may be empty unless the contract says otherwise
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [fault] = answer.json()["errors"]
    assert (fault["row"], fault["field"]) == (1, field)
    assert stored(settings, outcomes) == []


BODIES = {
    "empty": (b"", 400),
    "cut": (b"{", 400),
    "list": (b"[]", 422),
    "null": (b"null", 422),
    "none": (b'{"outcomes": []}', 422),
    "no list": (b'{"outcomes": {}}', 422),
    "no object": (b'{"outcomes": [1]}', 422),
    "more": (b'{"outcomes": [], "more": 1}', 422),
    "deep": (b"[" * 100_000, 400),
    "NaN": (b'{"key": "a", "label": NaN, "known_at": "2013-03-05T00:00:00Z"}', 422),
    "twice": (b'{"key": "a", "key": "b", "label": 1, "known_at": "2013-03-05T00:00:00Z"}', 422),
    "NUL": (b'{"key": "\\u0000", "label": 1, "known_at": "2013-03-05T00:00:00Z"}', 422),
    "half a character": (b'{"key": "\\ud800", "label": 1, "known_at": "2013-03-05T00:00:00Z"}', 400),
    "too many": (b'{"outcomes": [' + b"{}," * 5000 + b"{}]}", 422),
    "too long": (b" " * (8 * 2**20 + 1), 413),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_none(champion: Release, ask: Ask, name: str) -> None:
    body, status = BODIES[name]
    answer = ask("POST", "/outcomes", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status


def test_a_body_says_what_it_is(champion: Release, ask: Ask) -> None:
    assert ask("POST", "/outcomes", content=b"{}").status_code == 415


EARLY = "2000-01-01T00:00:00Z"


def test_an_outcome_is_held_against_what_was_answered_just_now(
    champion: Release, client: Any, rows: list[dict[str, Any]], settings: Settings
) -> None:
    import asyncio

    async def go() -> None:
        async with client() as one:
            for row in rows[:10]:
                await one.post("/predict", json=row)
                early = await one.post("/outcomes", json=told(row, known_at=EARLY))
                assert early.status_code == 422, early.text

    asyncio.run(go())
    assert stored(settings, outcomes) == []


@pytest.mark.parametrize("label", [True, False])
def test_an_outcome_planted_before_its_prediction_gives_way_to_the_true_one(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings, label: bool
) -> None:
    both = {"outcomes": [told(rows[0], True, EARLY), told(rows[1], True)]}
    assert ask("POST", "/outcomes", json=both).json()["new"] == 2
    answers = ask("POST", "/predict", json={"rows": rows[:2]}).json()["predictions"]
    assert ask("GET", f"/predictions/{answers[0]['prediction_id']}").json()["outcome"] is None
    assert ask("GET", f"/predictions/{answers[1]['prediction_id']}").json()["outcome"]["label"] is True
    true = {"outcomes": [told(row, label) for row in rows[:2]]}
    kept = int(not label)  # what was sent of the second row is possible, and stays
    assert ask("POST", "/outcomes", json=true).json() == {
        "new": 1, "known": 1 - kept, "set_aside": kept, "unpredicted": 0,
    }  # fmt: skip
    assert {row.key: (row.label, row.known_at) for row in stored(settings, outcomes)} == {
        rows[0]["flight_id"]: (float(label), datetime(2013, 3, 5, tzinfo=UTC)),
        rows[1]["flight_id"]: (1.0, datetime(2013, 3, 5, tzinfo=UTC)),
    }
    [planted] = [row for row in stored(settings, outcomes_set_aside) if row.key == rows[0]["flight_id"]]
    assert (planted.label, planted.known_at) == (1.0, datetime(2000, 1, 1, tzinfo=UTC))
    assert "before the event, which was at 2013-" in planted.reason
    assert ask("POST", "/outcomes", json=told(rows[0], label)).json()["known"] == 1
    assert len(stored(settings, outcome_receipts)) == 2


def test_an_impossible_outcome_gives_way_in_both_stores(engine: Engine) -> None:
    from tremplin.store import predictions

    now = datetime(2013, 3, 5, tzinfo=UTC)
    planted = {"key": "k", "label": 1.0, "known_at": now - timedelta(days=9)}
    assert record(engine, "p", [planted], "a", now).new == 1
    row: dict[str, Any] = {
        "prediction_id": "1", "pilot": "p", "release_id": "r", "cohort": "champion", "key": "k", "row": {},
        "event_time": now, "received_at": now,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(predictions.insert().values(row))
    true = {"key": "k", "label": 0.0, "known_at": now}
    assert [record(engine, "p", [true], "b", now).new for _ in range(2)] == [1, 0]
    with engine.connect() as connection:
        assert connection.execute(sa.select(outcomes.c.label)).scalars().all() == [0.0]
        assert connection.execute(sa.select(outcome_receipts.c.by)).scalars().all() == ["b"]
        assert connection.execute(sa.select(outcomes_set_aside.c.by)).scalars().all() == ["a"]


def test_both_stores_take_all_or_nothing(engine: Engine) -> None:
    """The second of two outcomes was known before its event: the first is not stored either."""
    now = datetime(2013, 3, 5, tzinfo=UTC)
    keys = [{"key": f"k{n}", "label": 1.0, "known_at": now} for n in range(6000)]
    assert record(engine, "p", keys[:1], "a", now).new == 1
    from tremplin.store import predictions

    with engine.begin() as connection:
        connection.execute(
            predictions.insert().values(
                prediction_id="1", pilot="p", release_id="r", cohort="champion", key="k1", row={},
                event_time=now + timedelta(days=1), received_at=now,
            )
        )  # fmt: skip
    with pytest.raises(Problem, match="not before the event"):
        record(engine, "p", keys, "a", now)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(outcomes)).scalar() == 1
    assert record(engine, "p", keys[2:5002], "a", now).model_dump() == {
        "new": 5000, "known": 0, "set_aside": 0, "unpredicted": 5000,
    }  # fmt: skip


def test_an_amount_is_within_its_range(residents_contract: Any) -> None:
    reader = OutcomeReader(residents_contract)
    low, high = residents_contract.scale.low, residents_contract.scale.high
    now = datetime(2026, 1, 1, tzinfo=UTC)
    key = residents_contract.column(residents_contract.key).examples[0]
    for label, fits in (
        (low, True),
        (high, True),
        (high + 1, False),
        (low - 1, False),
        (True, False),
        ("1", False),
    ):
        body = httpx.Request(
            "POST", "http://test", json={"key": key, "label": label, "known_at": KNOWN_AT}
        ).content
        if fits:
            assert reader.read(body, now)[0]["label"] == label
        else:
            with pytest.raises(Problem, match="label"):
                reader.read(body, now)


@pytest.fixture
def residents_contract(release_factory: Any) -> Any:
    """The contract of flights, asked for an amount."""
    contract = release_factory.pilot.contract
    columns = [
        column.model_copy(
            update={
                "logicalType": "number",
                "logicalTypeOptions": type(column.logicalTypeOptions)(minimum=-10, maximum=600),
            }
        )
        if column.name == contract.target
        else column
        for column in contract.columns
    ]
    table = contract.schema_[0].model_copy(update={"properties": columns})
    return contract.model_copy(update={"schema_": [table]})


def test_a_store_that_is_away_is_told_with_when_to_try_again(
    champion: Release,
    client: Any,
    rows: list[dict[str, Any]],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio
    import sqlite3

    from serving.feedback import store_door

    monkeypatch.setattr(store_door, "PATIENCE", 0.5)

    async def go() -> None:
        path = settings.home / "store.db"
        async with client() as one:
            lock = sqlite3.connect(path, isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
            away = await one.post("/outcomes", json=told(rows[0]))
            lock.execute("ROLLBACK")
            lock.close()
            assert (away.status_code, away.headers["retry-after"]) == (503, "1")
            await asyncio.sleep(0.5)
            assert (await one.post("/outcomes", json=told(rows[0]))).status_code == 200

    asyncio.run(go())
    assert len(stored(settings, outcomes)) == 1


def test_a_store_that_was_made_anew_gets_its_tables(
    champion: Release, client: Any, rows: list[dict[str, Any]], settings: Settings
) -> None:
    import asyncio

    async def go() -> None:
        async with client() as one:
            assert (await one.post("/outcomes", json=told(rows[0]))).status_code == 200
            for path in settings.home.glob("store.db*"):
                path.unlink()
            assert (await one.post("/outcomes", json=told(rows[0]))).status_code == 503
            assert (await one.post("/outcomes", json=told(rows[1]))).json()["new"] == 1

    asyncio.run(go())
    assert [row.key for row in stored(settings, outcomes)] == [rows[1]["flight_id"]]
