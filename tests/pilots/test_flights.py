"""The pilot flights: nothing in a row was unknown when the question was asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import ModuleType

import pandas as pd
import pytest

from tremplin.pilot import Pilot

DAY = datetime(2013, 2, 8, tzinfo=UTC)  # a blizzard: flights that never leave, gaps in the weather


@pytest.fixture(scope="module")
def source(pilot: Pilot) -> ModuleType:
    return pilot.source


def test_columns_are_identical_when_the_source_is_cut_at_the_decision(
    pilot: Pilot, source: ModuleType
) -> None:
    whole = source.fetch(DAY, DAY + timedelta(days=1)).set_index("flight_id")
    asked = [column.name for column in pilot.contract.request_columns if column.name != "flight_id"]
    moments = sorted(set(whole["scheduled_departure"]))[::9]
    assert len(moments) > 20
    for moment in moments:
        known = source.tables().as_known_at(moment - source.DECISION_LEAD)
        cut = source.departures(known, moment, moment + timedelta(minutes=1)).set_index("flight_id")
        pd.testing.assert_frame_equal(cut[asked], whole.loc[cut.index, asked])
        assert cut["late"].isna().all()


def test_the_cut_would_find_a_leak(source: ModuleType) -> None:
    """The test above can fail: a column that looks past the decision changes when the source is cut."""
    moment = DAY + timedelta(hours=16)
    whole, cut = source.tables(), source.tables().as_known_at(moment - source.DECISION_LEAD)
    end = moment + timedelta(hours=1)
    leaking = [source.departures(raw, moment, end)["late"].notna().sum() for raw in (whole, cut)]
    assert leaking[0] > 0
    assert leaking[1] == 0


def test_recent_delay_counts_only_flights_that_had_left(source: ModuleType) -> None:
    flights = source.tables().flights
    row = source.fetch(DAY + timedelta(hours=15), DAY + timedelta(hours=16)).iloc[0]
    decided = row["scheduled_departure"] - source.DECISION_LEAD
    left = flights[
        (flights["origin"] == row["origin"])
        & (flights["departed"] <= decided)
        & (flights["departed"] > decided - source.RECENT)
    ]
    assert row["recent_delay"] == pytest.approx(left["dep_delay"].mean())
    waiting = flights[
        (flights["origin"] == row["origin"])
        & (flights["scheduled_departure"] <= decided)
        & (flights["scheduled_departure"] > decided - source.OVERDUE)
        & ~(flights["departed"] <= decided)
    ]
    assert row["overdue"] == len(waiting)


def test_the_year_is_the_year(source: ModuleType) -> None:
    year = source.fetch(datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 2, tzinfo=UTC))
    assert len(year) == 336_776
    assert year["late"].isna().sum() == 8_255 + 1_175  # cancelled, diverted: never a label
    assert year["flight_id"].is_unique
    local = year["scheduled_departure"].dt.tz_convert("America/New_York").dt.month
    late = year["late"].astype("float64").groupby(local).mean()
    assert late[[6, 7, 9]].round(3).tolist() == [0.308, 0.315, 0.132]


def test_the_charter_is_signed_by_roles_that_are_apart(pilot: Pilot) -> None:
    for person in pilot.charter.people:
        assert not {"author", "approve"} <= set(person.may), f"{person.name} could approve their own model"
