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
    """On the hardest day; `ingest` does the same at some decisions of every window."""
    whole = source.fetch(DAY, DAY + timedelta(days=1)).set_index("flight_id")
    asked = [column.name for column in pilot.contract.request_columns if column.name != "flight_id"]
    lead = timedelta(minutes=pilot.file.data.decision_lead_minutes)
    moments = sorted(set(whole["scheduled_departure"]))[::9]
    assert len(moments) > 20
    for moment in moments:
        cut = source.fetch(moment, moment + timedelta(minutes=1), moment - lead).set_index("flight_id")
        pd.testing.assert_frame_equal(cut[asked], whole.loc[cut.index, asked])
        assert cut[["late", "late_known_at"]].isna().all(axis=None)


def test_a_cut_erases_what_was_not_known_and_nothing_else(source: ModuleType) -> None:
    moment = DAY + timedelta(hours=16)
    whole = source.tables().near(DAY, DAY + timedelta(days=1))
    cut = whole.as_known_at(moment)
    left = whole.flights["scheduled"] + pd.to_timedelta(whole.flights["dep_delay"], unit="min")
    assert cut.flights["dep_delay"].notna().equals(left <= moment)
    landed = left + pd.to_timedelta(whole.flights["air_time"], unit="min")
    told = cut.flights["arr_delay"].notna()
    assert 0 < told.sum() < (landed <= moment).sum(), "arrivals come by a nightly file"
    assert (landed[told] <= moment - source.REPORTED).all()
    assert cut.weather["published"].max() <= moment < whole.weather["published"].max()


def test_recent_delay_counts_only_flights_that_had_left(source: ModuleType) -> None:
    flights = source.tables().flights
    left_at = flights["scheduled"] + pd.to_timedelta(flights["dep_delay"], unit="min")
    row = source.fetch(DAY + timedelta(hours=15), DAY + timedelta(hours=16)).iloc[0]
    decided = row["scheduled_departure"] - source.DECISION_LEAD
    here = flights["origin"] == row["origin"]
    left = flights[here & (left_at <= decided) & (left_at > decided - source.RECENT)]
    assert row["recent_delay"] == pytest.approx(left["dep_delay"].mean())
    due = (flights["scheduled"] <= decided) & (flights["scheduled"] > decided - source.OVERDUE)
    assert row["overdue"] == (here & due & ~(left_at <= decided)).sum()


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
