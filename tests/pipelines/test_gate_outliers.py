"""Values that fit the contract and are not credible are found by column, site and days; seasons and storms are let through."""

from __future__ import annotations

import pandas as pd
import pytest

from pipelines.gate.checks.outliers import outliers
from tests.pipelines.delivered import at, delivered
from tests.pipelines.test_gate_completeness import FLIGHTS, SUPPORT, Write, written

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("delivered")]  # they share what the sources gave


def celsius(values: pd.Series) -> pd.Series:
    return (values - 32) / 1.8


@pytest.mark.parametrize(
    "window",
    [
        FLIGHTS,
        ("flights", "2013-01-01", "2013-09-01"),
        ("flights", "2013-05-01", "2013-07-01"),
        ("flights", "2013-07-01", "2013-12-01"),
        ("flights", "2013-01-01", "2014-01-01"),
        ("support", "2015-01-01", "2016-01-01"),
        SUPPORT,
        ("support", "2017-07-01", "2018-07-01"),
    ],
)
def test_seasons_storms_and_years_pass(window: tuple[str, str, str]) -> None:
    check = outliers(delivered(*window))
    assert check.passed, check.evidence
    assert check.value == 0
    assert "would have refused 0.00% of the rows of" in check.evidence


@pytest.mark.parametrize(
    ("window", "column", "where", "write"),
    [
        (FLIGHTS, "temp", ("JFK", "2013-02-04", 7), celsius),
        (FLIGHTS, "temp", ("JFK", "2013-01-01", 7), celsius),  # the first week
        (FLIGHTS, "temp", ("JFK", "2013-06-24", 7), celsius),  # and the last
        (("flights", "2013-05-01", "2013-12-01"), "temp", ("LGA", "2013-11-04", 7), celsius),
        (FLIGHTS, "humid", ("LGA", "2013-03-04", 3), lambda values: 0.0),
        (FLIGHTS, "pressure", ("EWR", "2013-04-03", 7), lambda values: 999.0),
        (FLIGHTS, "recent_delay", ("LGA", "2013-03-04", 7), lambda values: 0.0),
        (SUPPORT, "education", (None, "2016-05-06", 7), lambda values: values.where(values < 16, values - 7)),
        (SUPPORT, "education", (None, "2016-12-08", 7), lambda values: values.where(values < 16, values - 7)),
        (SUPPORT, "household_size", (None, "2016-05-06", 7), lambda values: 1.0),
    ],
)
def test_another_unit_an_instrument_that_stands_still_and_an_old_code_list_are_found(
    *,
    window: tuple[str, str, str],
    column: str,
    where: tuple[str | None, str, int],
    write: Write,
) -> None:
    made = delivered(*window, written(column, where, write))
    found = outliers(made)
    assert not found.passed
    site = where[0]
    named = next(part for part in found.evidence.split("; ") if part.startswith(column))
    assert named.startswith(f"{column}{f' at {site}' if site else ''} from ")
    spoiled = made.rows.loc[at(made.rows, *where), made.pilot.contract.key]
    if made.pilot.charter.gdpr.personal_data:
        assert f"({len(spoiled):,} rows of train.parquet and evaluation.parquet)" in named
        assert not any(key in found.evidence for key in made.rows[made.pilot.contract.key])
    else:
        examples = named.split("such as ")[1].rstrip(")").split(", ")
        assert len(examples) == 3
        assert set(examples) <= set(spoiled)


def test_no_value_of_a_row_is_shown() -> None:
    found = outliers(delivered(*SUPPORT, written("age", (None, "2016-05-06", 7), lambda values: 57.0)))
    assert not found.passed
    assert "57" not in found.evidence
