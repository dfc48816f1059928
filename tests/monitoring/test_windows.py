"""Windows: months where the pilot lives, and answers joined with what was known by a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy.engine import Engine

from monitoring.windows import Window, load_window, month_window
from tests.monitoring.conftest import Answer
from tremplin.contract import Contract
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

LATER = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def january_window(pilot: Pilot) -> Window:
    return month_window("2013-01", pilot.file.data.timezone)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2013-07", datetime(2013, 7, 1, 4, tzinfo=UTC), datetime(2013, 8, 1, 4, tzinfo=UTC)),
        (
            "2013-03",
            datetime(2013, 3, 1, 5, tzinfo=UTC),
            datetime(2013, 4, 1, 4, tzinfo=UTC),
        ),  # the clocks change
        ("2013-12", datetime(2013, 12, 1, 5, tzinfo=UTC), datetime(2014, 1, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_month_runs_from_midnight_to_midnight_where_the_pilot_lives(
    name: str, start: datetime, end: datetime
) -> None:
    window = month_window(name, "America/New_York")
    assert (window.start, window.end, window.name) == (start, end, name)


@pytest.mark.parametrize("name", ["0000-01", "9999-12", "2013-13", "2013-7", "July", "2013-07-01", ""])
def test_what_is_not_a_month_is_refused(name: str) -> None:
    with pytest.raises(TremplinError, match="such as 2013-07"):
        month_window(name, "UTC")


def test_rows_come_back_as_they_were_sent(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer, january_window: Window
) -> None:
    sent = january.iloc[:300]
    answer(sent, [0.25] * 300)
    found = load_window(engine, pilot, january_window, LATER)
    names = [column.name for column in pilot.contract.request_columns]
    pd.testing.assert_frame_equal(
        found[names].sort_values("flight_id", ignore_index=True),
        sent[names].sort_values("flight_id", ignore_index=True),
        check_dtype=False,
    )
    assert found["scheduled_departure"].is_monotonic_increasing
    assert str(found["scheduled_departure"].dt.tz) == "UTC"
    assert found["plane_age"].isna().any()
    assert set(found["score"]) == {0.25}
    assert found["decision"].dtype == bool
    assert set(found["cohort"]) == {"champion"}


def test_a_label_is_there_once_it_was_known(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer, january_window: Window
) -> None:
    answer(january.iloc[:2000], [0.5] * 2000)
    known = january.iloc[:2000].set_index("flight_id")["late_known_at"]
    for moment in (datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 1, 3, tzinfo=UTC), LATER):
        found = load_window(engine, pilot, january_window, moment).set_index("flight_id")
        labelled = set(found.index[found["label"].notna()])
        assert labelled == set(known.index[known <= moment])
    truth = january.iloc[:2000].set_index("flight_id")["late"].dropna().astype(float).to_dict()
    assert found["label"].dropna().to_dict() == truth


def test_events_on_the_edge_belong_to_one_window(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer
) -> None:
    answer(january.iloc[:500], [0.5] * 500)
    edge = january.iloc[200]["scheduled_departure"].to_pydatetime()
    before = load_window(engine, pilot, Window(edge - timedelta(days=9), edge, "before"), LATER)
    after = load_window(engine, pilot, Window(edge, edge + timedelta(days=9), "after"), LATER)
    assert len(before) + len(after) == 500
    assert before["scheduled_departure"].max() < edge == after["scheduled_departure"].min()


def test_a_question_asked_again_counts_once_with_its_last_answer(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer, january_window: Window
) -> None:
    rows = january.iloc[:10]
    answer(rows, [0.1] * 10, received=datetime(2013, 1, 1, 1, tzinfo=UTC))
    answer(rows.iloc[:4], [0.9] * 4, received=datetime(2013, 1, 1, 2, tzinfo=UTC))
    answer(rows.iloc[:3], [0.7] * 3, release="second", cohort="challenger")
    found = load_window(engine, pilot, january_window, LATER)
    assert sorted(found.loc[found["release_id"] == "first", "score"]) == [0.1] * 6 + [0.9] * 4
    assert list(found.loc[found["release_id"] == "second", "cohort"]) == ["challenger"] * 3


def test_answers_of_another_pilot_are_not_read(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer, january_window: Window
) -> None:
    answer(january.iloc[:5], [0.5] * 5, name="other")
    found = load_window(engine, pilot, january_window, LATER)
    assert found.empty
    assert {"flight_id", "temp", "score", "label"} <= set(found.columns)


def test_yes_and_no_come_back_as_booleans_also_where_some_are_missing(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer, january_window: Window
) -> None:
    described = pilot.contract.model_dump(by_alias=True)
    for column in described["schema"][0]["properties"]:
        if column["name"] == "precip":
            column.update(logicalType="boolean", logicalTypeOptions={}, examples=[True])
    other = replace(pilot, contract=Contract.model_validate(described))
    answer(january.iloc[:3].assign(precip=pd.array([True, None, False], dtype="boolean")), [0.5] * 3)
    found = load_window(engine, other, january_window, LATER).set_index("flight_id")["precip"]
    assert found.dtype == "boolean"
    assert [found[key] for key in january.iloc[[0, 2]]["flight_id"]] == [True, False]
    assert found.isna().sum() == 1


def test_an_outcome_that_is_older_than_its_event_is_none(
    pilot: Pilot, engine: Engine, january: pd.DataFrame, answer: Answer, january_window: Window
) -> None:
    sent = january.dropna(subset=pilot.contract.target).iloc[:20].copy()
    event, known = pilot.contract.time, pilot.contract.label_time
    planted = sent.index[:5]
    sent.loc[planted, known] = sent.loc[planted, event] - timedelta(seconds=1)
    sent.loc[sent.index[5], known] = sent.loc[sent.index[5], event]  # at once is possible
    answer(sent, [0.25] * 20)
    found = load_window(engine, pilot, january_window, LATER)
    unknown = found.loc[found["label"].isna(), "flight_id"]
    assert set(unknown) == set(sent.loc[planted, "flight_id"])
    assert len(found) == 20
