"""A model that falls with a missing value, a wrong unit, some noise or other weather is blocked, and the honest one is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.gate.faults import mistakes
from tests.results import Result, judged, line

LINEAR = {"C": 0.1}


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def test_a_model_that_takes_missing_for_a_number_is_blocked(result: Result) -> None:
    """The old habit of writing -9999 where nothing was measured."""
    result.rewrite("model.py", "SimpleImputer()", 'SimpleImputer(strategy="constant", fill_value=-9999.0)')
    result.recast(linear=LINEAR)
    verdict = judged(result)
    assert "missing-values" in verdict.blocked_by
    assert "too much: visib gone" in line(verdict, "missing-values").evidence


def test_what_the_contract_requires_is_no_risk_when_missing(honest_result: Result) -> None:
    said = line(judged(honest_result), "missing-values").evidence
    assert "refused when missing: origin, carrier, dest" in said
    assert "overdue gone" not in said


def test_a_range_too_wide_to_notice_another_unit_is_blocked(result: Result) -> None:
    result.edit(gate={"unit_errors_limit": 0.05})
    result.recast(linear=LINEAR)
    assert judged(result).passed, "the contract refuses what would hurt it"
    result.rewrite("contract.yaml", "{minimum: 0, maximum: 200}", "{minimum: 0, maximum: 100000}")
    result.rewrite("contract.yaml", "{minimum: -60, maximum: 1500}", "{minimum: -100000, maximum: 100000}")
    verdict = judged(result)
    assert verdict.blocked_by == ["unit-errors"]
    assert "overdue times 10" in line(verdict, "unit-errors").evidence


def test_units_are_mistaken_for_those_of_the_same_kind() -> None:
    assert mistakes("mile per hour")["in kilometre per hour"] == pytest.approx((0, 1.609344))
    offset, factor = mistakes("degree Fahrenheit")["in degree Celsius"]
    assert offset + factor * 212 == pytest.approx(100)
    assert set(mistakes("seat")) == {"times 10", "divided by 10"} == set(mistakes(None))


def test_a_model_of_a_tiny_difference_between_two_instruments_is_blocked_by_noise(result: Result) -> None:
    """Credible at its evaluation; two thermometers that are off by a tenth of their spread leave nothing of it."""
    for name in ("train", "evaluation"):
        rows = result.part(name)
        drawn = np.random.default_rng(1).uniform(20, 60, len(rows))
        told = np.random.default_rng(2).normal(rows["late"].astype(float) * 0.5, 0.5)
        result.replace(name, rows.assign(temp=drawn, humid=np.clip(drawn + told, 0, 100)))
    result.recast(linear={"C": 10_000.0})
    verdict = judged(result)
    assert "noise" in verdict.blocked_by
    assert not {"feature-too-good", "result-too-good"} & set(verdict.blocked_by)


def test_a_model_for_this_month_only_is_blocked_by_the_previous_period(result: Result) -> None:
    rows = result.part("train")
    labels, cool = rows["late"].to_numpy(float), (rows["temp"] < 68).fillna(False).to_numpy()
    labels[cool] = 1 - labels[cool]  # wrong whenever it is not summer
    result.train(labels=labels)
    assert "previous-period" in judged(result).blocked_by


def test_without_rows_of_the_period_before_nothing_is_said_and_nothing_blocked(result: Result) -> None:
    rows = result.part("train")
    early = rows["scheduled_departure"] < rows["scheduled_departure"].max() - np.timedelta64(16, "D")
    result.replace("train", rows[early].reset_index(drop=True))
    check = line(judged(result), "previous-period")
    assert check.passed
    assert "too little alike" in check.evidence
