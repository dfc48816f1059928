"""A column that falls silent, or is filled in, at a site for days is found; what is always a little empty is let through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.completeness import completeness
from tests.pipelines.delivered import at, delivered
from tremplin.contract import Contract

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("delivered")]  # they share what the sources gave

FLIGHTS = "flights", "2013-01-01", "2013-07-01"
SUPPORT = "support", "2016-01-01", "2017-01-01"
Write = Callable[[pd.Series], Any]


def written(
    column: str, where: tuple[str | None, str, int], write: Write
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """An exporter that writes something else into a column, at a site for some days."""

    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        inside = at(rows, *where)
        values = rows[column].astype("float64")
        return rows.assign(**{column: values.mask(inside, write(values))})

    return spoil


def silent(values: pd.Series) -> float:
    return float("nan")


@pytest.mark.parametrize(
    "window",
    [
        FLIGHTS,
        ("flights", "2013-01-01", "2013-09-01"),
        ("flights", "2013-03-01", "2013-10-01"),
        ("flights", "2013-01-01", "2013-12-01"),
        ("support", "2015-01-01", "2016-01-01"),
        SUPPORT,
        ("support", "2017-07-01", "2018-07-01"),
    ],
)
def test_honest_months_pass(window: tuple[str, str, str]) -> None:
    check = completeness(delivered(*window))
    assert check.passed, check.evidence
    assert check.value == 0
    assert "would have refused 0.00% of the rows of" in check.evidence


def test_one_percent_missing_everywhere_is_not_a_day_of_silence_at_one_site() -> None:
    def thinned(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(temp=rows["temp"].mask(np.random.default_rng(0).random(len(rows)) < 0.01))

    assert completeness(delivered(*FLIGHTS, thinned)).passed
    found = completeness(delivered(*FLIGHTS, written("temp", ("LGA", "2013-05-06", 1), silent)))
    assert not found.passed
    assert "temp at LGA is missing in" in found.evidence
    assert "(agreed: less than 10 %; no value at all on 1 of these days)" in found.evidence


@pytest.mark.parametrize(
    ("window", "column", "where", "write"),
    [
        (FLIGHTS, "temp", ("LGA", "2013-05-06", 7), silent),
        (FLIGHTS, "pressure", ("EWR", "2013-04-03", 7), silent),
        (FLIGHTS, "visib", ("JFK", "2013-06-24", 7), silent),
        (FLIGHTS, "recent_delay", ("JFK", "2013-05-06", 7), lambda values: values.fillna(0)),
        (FLIGHTS, "plane_age", ("EWR", "2013-05-06", 7), lambda values: values.fillna(0)),
        (SUPPORT, "partner_age", (None, "2016-05-06", 7), silent),
        (SUPPORT, "partner_age", (None, "2016-05-06", 7), lambda values: values.fillna(99)),
    ],
)
def test_a_week_of_silence_and_one_of_invented_values_are_found_by_name(
    *,
    window: tuple[str, str, str],
    column: str,
    where: tuple[str | None, str, int],
    write: Write,
) -> None:
    found = completeness(delivered(*window, written(column, where, write)))
    assert not found.passed
    site = f" at {where[0]}" if where[0] else ""
    assert found.evidence.startswith(f"{column}{site} is missing in ")


def test_the_weather_that_really_ended_before_the_year_is_found() -> None:
    """The file's last observations are of 30 December 2013: nothing here was spoiled by a test."""
    found = completeness(delivered("flights", "2013-01-01", "2014-01-01"))
    assert not found.passed
    assert "from 2013-12-31 to 2013-12-31" in found.evidence


def test_what_it_would_have_refused_last_month_is_said() -> None:
    found = completeness(delivered(*FLIGHTS, written("temp", ("LGA", "2013-06-10", 7), silent)))
    share = float(found.evidence.split("would have refused ")[1].split("%")[0])
    assert 8 < share < 20  # two of its weeks, at a site with a third of the departures
    assert found.evidence.endswith("of the rows of June 2013")


@pytest.mark.parametrize(("window", "passes"), [(FLIGHTS, True), (SUPPORT, False)])
def test_a_high_risk_use_must_say_how_empty_a_column_may_be(
    window: tuple[str, str, str], *, passes: bool
) -> None:
    made = delivered(*window)
    content = made.pilot.contract.model_dump(mode="json", by_alias=True)
    for column in content["schema"][0]["properties"]:
        column["quality"] = []
    found = completeness(replace(made, pilot=replace(made.pilot, contract=Contract.model_validate(content))))
    assert found.passed is passes
    assert "the contract sets no limit for " in found.evidence
    assert ("which a high-risk use must have" in found.evidence) is not passes
