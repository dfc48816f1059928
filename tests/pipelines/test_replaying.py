"""Replay through a real server: every row once, in order, and outcomes only when they were known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines.replaying import OutcomeFacts, record_outcomes, replay, request_rows
from tremplin.errors import TremplinError
from tremplin.live import Live, change
from tremplin.pilot import Pilot
from tremplin.settings import Settings
from tremplin.store import open_store, outcomes, predictions


@pytest.fixture
def day(release_factory: Any) -> pd.DataFrame:
    """The departures of one day, not in order."""
    rows = release_factory.rows
    first = rows["scheduled_departure"].dt.floor("D").min() + timedelta(days=1)
    return rows[
        rows["scheduled_departure"].between(first, first + timedelta(days=1), inclusive="left")
    ].sample(frac=1, random_state=1)


@pytest.fixture
def store(settings: Settings) -> Iterator[Engine]:
    engine = open_store(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def url(release_factory: Any, settings: Settings, store: Engine, serve: Any) -> str:
    champion = release_factory(settings.releases)
    change(store, "flights", Live(champion=champion.id), by="test", reason="go")
    return str(serve().url)


def test_every_row_is_answered_once_in_order(
    pilot: Pilot, day: pd.DataFrame, store: Engine, url: str
) -> None:
    seen: list[tuple[int, int]] = []
    facts = replay(url, pilot, day, store, progress=lambda done, total: seen.append((done, total)))
    hours = day["scheduled_departure"].dt.floor("h").nunique()
    assert (facts.sent, facts.skipped, facts.batches) == (len(day), 0, hours)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(day), len(day))
    with store.connect() as connection:
        query = sa.select(predictions.c.key, predictions.c.event_time).order_by(predictions.c.received_at)
        logged = connection.execute(query).all()
    assert sorted(key for key, _ in logged) == sorted(day["flight_id"])
    stamps = [time.replace(minute=0) for _, time in logged]
    assert stamps == sorted(stamps)

    again = replay(url, pilot, day, store)
    assert (again.sent, again.skipped, again.batches) == (0, len(day), 0)
    nothing = replay(url, pilot, day.head(0), store)
    assert (nothing.sent, nothing.skipped, nothing.batches) == (0, 0, 0)


def test_an_interrupted_replay_completes_without_doubling(
    pilot: Pilot, day: pd.DataFrame, store: Engine, url: str
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(url, pilot, day, store, progress=interrupt)
    rest = replay(url, pilot, day, store)
    assert rest.skipped > len(day) / 2
    assert rest.sent + rest.skipped == len(day)
    with store.connect() as connection:
        keys = connection.scalars(sa.select(predictions.c.key)).all()
    assert sorted(keys) == sorted(day["flight_id"])


def test_a_refusal_says_which_row_and_why(pilot: Pilot, day: pd.DataFrame, store: Engine, url: str) -> None:
    with pytest.raises(
        TremplinError, match=r"refuses \(422\).*row 0, temp: got 999\.0, expected a number from -20 to 120"
    ):
        replay(url, pilot, day.assign(temp=999.0), store)


def test_a_server_that_is_not_there_is_named(pilot: Pilot, day: pd.DataFrame, store: Engine) -> None:
    with pytest.raises(TremplinError, match=r"127\.0\.0\.1:9/? does not answer"):
        replay("http://127.0.0.1:9", pilot, day, store)


def test_rows_are_written_as_a_caller_writes_them(pilot: Pilot, day: pd.DataFrame) -> None:
    row = day.head(1).assign(
        temp=float("nan"), overdue=3.0, scheduled_departure=pd.Timestamp("2013-07-01T06:05:00-04:00")
    )
    sent = request_rows(row, pilot.contract)[0]
    assert list(sent) == [column.name for column in pilot.contract.request_columns]
    assert sent["temp"] is None
    assert (sent["overdue"], type(sent["overdue"])) == (3, int)
    assert sent["scheduled_departure"] == "2013-07-01T10:05:00.000000Z"
    assert type(sent["distance"]) is float


def test_outcomes_are_stored_when_they_are_known_and_once(
    pilot: Pilot, day: pd.DataFrame, store: Engine
) -> None:
    labelled = day[day["late"].notna()]
    assert 0 < len(labelled) < len(day)  # the cancelled never get one
    early = labelled["late_known_at"].min()
    known = int((labelled["late_known_at"] <= early).sum())
    assert record_outcomes(store, pilot, day, early - timedelta(seconds=1)) == OutcomeFacts(0, 0)
    assert record_outcomes(store, pilot, day, early) == OutcomeFacts(known, 0)
    assert record_outcomes(store, pilot, day, early) == OutcomeFacts(0, 0)
    later = datetime(2014, 1, 1, tzinfo=UTC)
    assert record_outcomes(store, pilot, day, later) == OutcomeFacts(len(labelled) - known, 0)
    corrected = day.assign(
        late=day["late"].mask(day["flight_id"].isin(labelled["flight_id"][:7]), ~day["late"])
    )
    assert record_outcomes(store, pilot, corrected, later) == OutcomeFacts(0, 7), "told, and not taken"
    with store.connect() as connection:
        stored = connection.execute(sa.select(outcomes)).all()
    expected = dict(zip(labelled["flight_id"], labelled["late"].astype(float), strict=True))
    assert {row.key: row.label for row in stored} == expected
    assert all(row.known_at.tzinfo is not None for row in stored)
