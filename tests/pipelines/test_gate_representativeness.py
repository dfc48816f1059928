"""Whom the data leaves out is found by name; honest windows stand for the declared population."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.outliers import outliers
from pipelines.gate.checks.representativeness import representativeness, sub_populations
from pipelines.gate.material import Material
from tests.pipelines.delivered import Spoil, at, delivered
from tests.pipelines.test_gate_completeness import FLIGHTS, SUPPORT
from tests.results import ROOT
from tremplin.contract import Contract
from tremplin.pilot import load_pilot

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("delivered")]  # they share what the sources gave


@pytest.mark.parametrize(
    "window",
    [
        FLIGHTS,
        ("flights", "2013-05-01", "2013-07-01"),
        ("flights", "2013-01-01", "2013-12-01"),
        ("support", "2015-01-01", "2016-01-01"),
        SUPPORT,
        ("support", "2017-07-01", "2018-07-01"),
    ],
)
def test_honest_windows_pass(window: tuple[str, str, str]) -> None:
    honest = delivered(*window)
    mix, groups = representativeness(honest), sub_populations(honest)
    assert mix.passed, mix.evidence
    assert groups.passed, groups.evidence
    assert (mix.value or 0) < 0.01
    assert "would have refused 0.00% of the rows of" in mix.evidence
    if window[0] == "flights":  # a carrier of 32 departures a year is named, and blocks nobody
        assert "not covered: carrier OO (0.01% of the population)" in groups.evidence


def test_an_airport_that_is_gone_is_named() -> None:
    gone = delivered(*FLIGHTS, lambda rows: rows[rows["origin"] != "JFK"])
    mix, groups = representativeness(gone), sub_populations(gone)
    assert not mix.passed
    assert not groups.passed
    assert "JFK 0.0% (declared 33.0%)" in mix.evidence
    assert "alone, would have refused 100.00% of the rows of June 2013" in mix.evidence
    assert "origin JFK (33.00% of the population): 0 rows, 30 needed" in groups.evidence


def test_an_airport_that_is_gone_for_a_month_is_seen_in_the_evaluation() -> None:
    gone = delivered(*FLIGHTS, lambda rows: rows[~at(rows, "JFK", "2013-05-25", 60)])
    found = representativeness(gone)
    assert not found.passed
    assert "origin in the evaluation" in found.evidence


def test_a_small_group_that_is_gone_moves_no_index_and_is_named_all_the_same() -> None:
    gone = delivered(*FLIGHTS, lambda rows: rows[rows["carrier"] != "VX"])
    assert representativeness(gone).passed
    found = sub_populations(gone)
    assert not found.passed
    assert "carrier VX (1.50% of the population): 0 rows, 30 needed" in found.evidence


def test_group_quarters_that_answer_no_more_are_named() -> None:
    gone = delivered(*SUPPORT, lambda rows: rows[rows["household_part"] != "group_quarters"])
    assert not representativeness(gone).passed
    assert "household_part group_quarters (7.60% of the population)" in sub_populations(gone).evidence


def test_a_group_with_less_than_half_of_its_share_is_not_covered() -> None:
    def few_of_the_young(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[(rows["age"] >= 25) | (np.arange(len(rows)) % 3 == 0)]

    found = sub_populations(delivered(*SUPPORT, few_of_the_young))
    assert not found.passed
    assert "age under 25 (20.08% of the population): 40% of its share" in found.evidence


def test_what_is_held_apart_is_looked_at_in_the_evaluation() -> None:
    def few_women(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[(rows["sex"] == "male") | (np.arange(len(rows)) % 2 == 0)]

    made = delivered(*SUPPORT, few_women)
    found = representativeness(made)
    assert "sex" not in made.rows
    assert not found.passed
    assert "female 35." in found.evidence


def everybody_alike(rows: pd.DataFrame) -> pd.DataFrame:
    """All of one age and one part of the household, and a column that stands still for fifty days."""
    still = at(rows, None, "2016-05-06", 50)
    return rows.assign(age=20, household_part="child", education=rows["education"].mask(still, 9))


CHECKS = representativeness, sub_populations, outliers


def without_rules(made: Material) -> Material:
    """Its contract has no rule of the table."""
    content = made.pilot.contract.model_dump(mode="json", by_alias=True)
    content["schema"][0]["quality"] = []
    return replace(made, pilot=replace(made.pilot, contract=Contract.model_validate(content)))


def test_rows_that_stand_for_nobody_are_found_by_every_check() -> None:
    spoiled = delivered(*SUPPORT, everybody_alike)
    assert not any(check(spoiled).passed for check in CHECKS)


@pytest.mark.parametrize("spoil", [everybody_alike, lambda rows: rows])
def test_a_high_risk_use_without_a_rule_does_not_pass(spoil: Spoil) -> None:
    made = without_rules(delivered(*SUPPORT, spoil))
    for check, name in zip(CHECKS, ("representativeness", "subPopulations", "outliers"), strict=True):
        found = check(made)
        assert not found.passed
        assert f"the contract sets no limit for {name}, which a high-risk use must have" in found.evidence


def test_another_use_without_a_rule_passes_and_says_so() -> None:
    made = without_rules(delivered(*FLIGHTS))
    for check in CHECKS:
        found = check(made)
        assert found.passed
        assert "the contract sets no limit for " in found.evidence
        assert "high-risk" not in found.evidence


def test_of_people_a_group_of_few_that_nobody_declared_is_not_named() -> None:
    def one_of_another(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(household_part=rows["household_part"].mask(rows.index == 100, "Jane Doe"))

    made = delivered(*SUPPORT, one_of_another)
    content = made.pilot.contract.model_dump(mode="json", by_alias=True)
    part = next(one for one in content["schema"][0]["properties"] if one["name"] == "household_part")
    part["enum"] = None  # any text goes
    found = representativeness(
        replace(made, pilot=replace(made.pilot, contract=Contract.model_validate(content)))
    )
    assert "not declared: household_part of few people (1 rows)" in found.evidence
    assert "Jane Doe" not in found.evidence


def undeclared(name: str) -> Contract:
    content = load_pilot(name, ROOT).contract.model_dump(mode="json", by_alias=True)
    for column in content["schema"][0]["properties"]:
        column["customProperties"] = [p for p in column["customProperties"] if p["property"] != "population"]
    return Contract.model_validate(content)


@pytest.mark.parametrize(("window", "passes"), [(FLIGHTS, True), (SUPPORT, False)])
def test_a_high_risk_use_must_declare_its_population(window: tuple[str, str, str], *, passes: bool) -> None:
    made = delivered(*window)
    made = replace(made, pilot=replace(made.pilot, contract=undeclared(window[0])))
    for check in (representativeness(made), sub_populations(made)):
        assert check.passed is passes
        assert check.value is None
        assert check.evidence.startswith("the contract declares no `population`")
