"""Tampered training rows are found by name; honest ones pass. Real departures of a year, and residents of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.poisoning import poisoning
from pipelines.gate.gathering import gather
from pipelines.gate.material import Material
from pipelines.stages import typed
from pipelines.verdict import Check
from tests.results import AS_OF, ROOT, Result
from tremplin.pilot import Pilot, load_pilot

YEAR = pd.Timestamp("2013-01-01", tz="UTC"), pd.Timestamp("2013-12-01", tz="UTC")


def labelled(pilot: Pilot, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    rows = typed(pilot.source.fetch(start, end), pilot.contract)
    kept = [column.name for column in pilot.contract.training_columns]
    return rows.loc[rows[pilot.contract.target].notna(), kept].reset_index(drop=True)


@pytest.fixture(scope="module")
def year(pilot: Pilot) -> pd.DataFrame:
    """What the model of the end of 2013 trains on: 301,000 departures."""
    return labelled(pilot, *YEAR)


@pytest.fixture(scope="module")
def honest(honest_result: Result) -> Material:
    """What the gate looks at; the tests change the training rows in it."""
    return gather(
        honest_result.pilot,
        honest_result.paths,
        honest_result.settings,
        champion=None,
        as_of=AS_OF,
        look=1,
        remade=None,
    )


def judged(material: Material, train: pd.DataFrame) -> Check:
    return poisoning(replace(material, train=train))


def flipped(rows: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    late = rows["late"].to_numpy(dtype=bool, copy=True)
    late[at] = ~late[at]
    return rows.assign(late=pd.array(late, dtype="boolean"))


def of(rows: pd.DataFrame, site: str) -> np.ndarray:
    return np.flatnonzero(rows["origin"] == site)


@pytest.mark.parametrize("months", [4, 6, 8, 11])
def test_honest_departures_pass_in_every_season(honest: Material, year: pd.DataFrame, months: int) -> None:
    until = YEAR[0] + pd.DateOffset(months=months)
    found = judged(honest, year[year["scheduled_departure"] < until])
    assert found.passed
    assert "would have refused 0.00% of the rows of" in found.evidence


@pytest.mark.parametrize("site", ["EWR", "JFK", "LGA"])
def test_five_percent_of_a_sites_labels_flipped_at_random_over_a_year_are_found_by_name(
    honest: Material, year: pd.DataFrame, site: str
) -> None:
    own = of(year, site)
    at = np.random.default_rng(1).choice(own, len(own) // 20, replace=False)
    found = judged(honest, flipped(year, at))
    assert not found.passed
    assert f"origin={site}:" in found.evidence
    assert not any(f"origin={other}:" in found.evidence for other in {"EWR", "JFK", "LGA"} - {site})
    november = year[year["scheduled_departure"].dt.tz_convert("America/New_York").dt.month == 11]
    share = (november["origin"] == site).mean()
    assert f"would have refused {share:.2%} of the rows of November 2013" in found.evidence


@pytest.mark.parametrize("within", [1.0, 0.5])
def test_five_percent_of_a_sites_labels_flipped_in_a_stretch_are_found_by_site_and_week(
    honest: Material, year: pd.DataFrame, within: float
) -> None:
    """All labels of 17 days, or half of those of 34; six months of rows are enough."""
    rows = year[year["scheduled_departure"] < YEAR[0] + pd.DateOffset(months=6)]
    own = of(rows, "EWR")
    count = len(own) // 20
    stretch = own[len(own) // 3 :][: int(count / within)]
    at = np.random.default_rng(2).choice(stretch, count, replace=False)
    found = judged(honest, flipped(rows, at))
    assert not found.passed
    week = pd.Timestamp(rows["scheduled_departure"].iloc[stretch[len(stretch) // 2]]) - timedelta(days=7)
    named = [part for part in found.evidence.split("; ") if part.startswith("origin=EWR in the week from")]
    assert named
    for part in named:
        begins = pd.Timestamp(part.split("from ")[1][:10], tz="UTC")
        assert abs(begins - week) < timedelta(days=25)


def test_one_row_injected_many_times_with_one_label_is_found(honest: Material, year: pd.DataFrame) -> None:
    rows = year[year["scheduled_departure"] < YEAR[0] + pd.DateOffset(months=4)]
    on_time = rows[~rows["late"].astype(bool)].sample(1, random_state=0)
    copies = pd.concat([on_time] * 60, ignore_index=True)
    spread = rows["scheduled_departure"].sample(60, random_state=1).to_numpy()  # on as many days as there are
    copies = copies.assign(
        flight_id=[f"XX{n}" for n in range(60)],
        scheduled_departure=pd.DatetimeIndex(spread),
        distance=on_time["distance"].item()
        + np.random.default_rng(0).normal(0, 0.1, 60),  # not quite the same
        late=pd.array([True] * 60, dtype="boolean"),
    )
    found = judged(honest, pd.concat([rows, copies], ignore_index=True))
    assert not found.passed
    assert "61 near-identical rows, 98% with one label" in found.evidence


@pytest.mark.parametrize("ends", [2017, 2018])
def test_honest_residents_pass_though_hundreds_are_alike_and_a_stretch_of_flips_is_found(
    honest: Material, ends: int
) -> None:
    """The second pilot has no site, discrete features, and a step of its base rate between years."""
    support = load_pilot("support", ROOT)
    honest = replace(honest, pilot=support)  # of the rest of what the gate gathers the check looks at nothing
    until = pd.Timestamp(f"{ends - 1}-12-01", tz="UTC")
    rows = labelled(support, until - timedelta(days=335), until)
    assert judged(honest, rows).passed
    own = np.flatnonzero(rows["household_part"] == "reference_person")
    work = rows["without_work"].to_numpy(dtype=bool, copy=True)
    at = own[len(own) // 2 :][: len(own) // 20]
    work[at] = ~work[at]
    found = judged(honest, rows.assign(without_work=pd.array(work, dtype="boolean")))
    assert not found.passed
    assert "household_part=reference_person in the week from" in found.evidence
