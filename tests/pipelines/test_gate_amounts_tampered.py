"""Amounts that were changed or planted in the training rows are found by name; honest months pass. Real delays in minutes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.poisoning import poisoning
from pipelines.gate.gathering import gather
from pipelines.gate.material import Material
from pipelines.stages import typed
from pipelines.verdict import Check
from tests.delays import AS_OF, make_delays
from tests.results import made_again

START, END = pd.Timestamp("2013-01-01", tz="UTC"), pd.Timestamp("2013-07-01", tz="UTC")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """What the gate looks at; the tests change the training rows in it."""
    made = make_delays(tmp_path_factory.mktemp("delays"))
    made.edit(gate={"poisoning": made.pilot.file.gate.poisoning.model_dump() | {"site_noise": 0.1}})
    return gather(
        made.pilot, made.paths, made.settings, champion=None, as_of=AS_OF, look=1, remade=made_again
    )


@pytest.fixture(scope="module")
def months(honest: Material) -> pd.DataFrame:
    """A third of half a year of departures."""
    pilot = honest.pilot
    rows = typed(pilot.source.fetch(START, END), pilot.contract)
    kept = [column.name for column in pilot.contract.training_columns]
    return rows.loc[rows[pilot.contract.target].notna(), kept].reset_index(drop=True)


def judged(material: Material, train: pd.DataFrame) -> Check:
    return poisoning(replace(material, train=train))


def shuffled(rows: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    """The delays of these rows dealt among them at random."""
    minutes = rows["arrival_delay"].to_numpy(copy=True)
    minutes[at] = np.random.default_rng(4).permutation(minutes[at])
    return rows.assign(arrival_delay=minutes)


@pytest.mark.parametrize("until", ["2013-03-01", "2013-05-01", "2013-07-01"])
def test_honest_delays_pass(honest: Material, months: pd.DataFrame, until: str) -> None:
    check = judged(honest, months[months["scheduled_departure"] < pd.Timestamp(until, tz="UTC")])
    assert check.passed, check.evidence


@pytest.mark.parametrize("site", ["EWR", "JFK", "LGA"])
def test_a_site_half_of_whose_amounts_are_anothers_is_found_by_name(
    honest: Material, months: pd.DataFrame, site: str
) -> None:
    own = np.flatnonzero(months["origin"] == site)
    at = np.random.default_rng(5).choice(own, len(own) // 2, replace=False)
    check = judged(honest, shuffled(months, at))
    assert not check.passed
    assert f"origin={site}:" in check.evidence
    assert not any(f"origin={other}:" in check.evidence for other in {"EWR", "JFK", "LGA"} - {site})


def test_a_row_planted_many_times_with_one_amount_is_found(honest: Material, months: pd.DataFrame) -> None:
    punctual = months[months["arrival_delay"] < 0].sample(1, random_state=0)
    spread = months["scheduled_departure"].sample(40, random_state=1)
    copies = pd.concat([punctual] * 40, ignore_index=True).assign(
        flight_id=[f"XX{n}" for n in range(40)],
        scheduled_departure=pd.DatetimeIndex(spread),
        distance=punctual["distance"].item()
        + np.random.default_rng(0).normal(0, 0.1, 40),  # not quite the same
        arrival_delay=150.0,
    )
    check = judged(honest, pd.concat([months, copies], ignore_index=True))
    assert not check.passed
    assert "near-identical rows, 9" in check.evidence
    assert "with one label" in check.evidence
