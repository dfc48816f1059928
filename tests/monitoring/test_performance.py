"""Performance with late labels: values against scikit-learn's, intervals that know days, and what is not judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, precision_score, recall_score, roc_auc_score

from monitoring.evidence import PerformanceEvidence
from monitoring.performance import performance
from monitoring.windows import Window
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

WINDOW = Window(datetime(2013, 7, 1, 4, tzinfo=UTC), datetime(2013, 8, 1, 4, tzinfo=UTC), "2013-07")
REFERENCE = {
    "roc_auc": {"value": 0.76, "low": 0.74, "high": 0.78},
    "brier": {"value": 0.17, "low": 0.16, "high": 0.18},
    "observed_expected": {"value": 1.09, "low": 0.98, "high": 1.2},
}


def made(count: int = 9000, *, seed: int = 1, day_effect: float = 0.0, days: int = 31) -> pd.DataFrame:
    """Answers over ``days`` days; with a day effect the outcome depends on the day, which the score does not know."""
    draw = np.random.default_rng(seed)
    day = draw.integers(0, days, count)
    logit = draw.normal(-1, 1, count)
    truth = logit + day_effect * draw.normal(0, 1, days)[day]
    start = pd.Timestamp(WINDOW.start)
    score = 1 / (1 + np.exp(-logit))
    return pd.DataFrame(
        {
            "scheduled_departure": start + pd.to_timedelta(day * 24 + draw.integers(0, 24, count), unit="h"),
            "origin": draw.choice(["EWR", "JFK", "LGA"], count, p=[0.6, 0.37, 0.03]),
            "score": score,
            "decision": score >= 0.33,
            "label": (draw.random(count) < 1 / (1 + np.exp(-truth))).astype(float),
        }
    )


def judged(rows: pd.DataFrame, pilot: Pilot, *, awaited_until: datetime | None = None) -> PerformanceEvidence:
    return performance(rows, pilot, REFERENCE, awaited_until=awaited_until)


def test_values_are_those_of_scikit_learn(pilot: Pilot) -> None:
    rows = made()
    found = judged(rows, pilot)
    label, score, decision = rows["label"], rows["score"], rows["decision"]
    measures, costs = found.measures, pilot.charter.costs
    assert measures is not None
    assert measures.precision is not None
    assert measures.roc_auc.value == pytest.approx(roc_auc_score(label, score))
    assert measures.brier.value == pytest.approx(brier_score_loss(label, score))
    assert measures.precision.value == pytest.approx(precision_score(label, decision))
    assert measures.recall.value == pytest.approx(recall_score(label, decision))
    assert measures.calibration_ratio.value == pytest.approx(label.sum() / score.sum())
    wrong = costs.false_alarm * (decision & (label == 0)) + costs.missed * (~decision & (label == 1))
    assert measures.cost_per_row.value == pytest.approx(wrong.mean())
    for measure in (
        measures.roc_auc,
        measures.brier,
        measures.precision,
        measures.recall,
        measures.calibration_ratio,
    ):
        assert measure.low < measure.value < measure.high
    assert PerformanceEvidence.model_validate_json(found.model_dump_json()) == found
    assert judged(rows, pilot) == found


def test_bounds_hold_about_as_often_as_they_say(pilot: Pilot) -> None:
    """Scores that are calibrated: the ratio's truth is 1. Of 60 windows, an upper bound of .95 misses few."""
    policy = pilot.file.monitoring.model_copy(update={"minimum_rows": 1000, "minimum_site_rows": 10_000})
    gate = pilot.file.gate.model_copy(update={"bootstrap_samples": 300})
    quick = replace(pilot, file=pilot.file.model_copy(update={"monitoring": policy, "gate": gate}))
    held = 0
    for seed in range(60):
        measures = judged(made(1000, seed=seed), quick).measures
        assert measures is not None
        held += measures.calibration_ratio.high >= 1
    assert held >= 50  # binomial(60, .95) falls below 50 once in 5,000


def test_rows_of_a_day_are_not_independent_and_the_interval_knows(pilot: Pilot) -> None:
    rows = made(day_effect=1.5)
    shuffled = rows.assign(
        scheduled_departure=rows["scheduled_departure"].sample(frac=1, random_state=1).to_numpy()
    )
    shuffled["scheduled_departure"] = pd.to_datetime(shuffled["scheduled_departure"], utc=True)
    by_day, by_chance = judged(rows, pilot).measures, judged(shuffled, pilot).measures
    assert by_day is not None
    assert by_chance is not None
    width = by_day.calibration_ratio.high - by_day.calibration_ratio.low
    assert width > 3 * (by_chance.calibration_ratio.high - by_chance.calibration_ratio.low)


def test_too_few_labelled_rows_are_not_judged_and_it_says_how_many_are_missing(pilot: Pilot) -> None:
    minimum = pilot.file.monitoring.minimum_rows
    rows = made(minimum + 100)
    rows.loc[: 100 + 11, "label"] = np.nan
    found = judged(rows, pilot)
    assert found.measures is None
    assert found.why_not == "4,988 labelled rows of at least 5,000: 12 are missing"
    rows.loc[: 100 + 11, "label"] = 1.0
    assert judged(rows, pilot).measures is not None


def test_a_few_days_or_one_kind_of_outcome_are_not_judged(pilot: Pilot) -> None:
    assert judged(made(days=6), pilot).why_not == "the labelled rows lie on 6 days of at least 7"
    assert judged(made(days=8), pilot).why_not is None
    assert (
        judged(made().assign(label=0.0), pilot).why_not
        == "every outcome is negative: nothing tells them apart"
    )


def test_nothing_flagged_has_no_precision(pilot: Pilot) -> None:
    measures = judged(made().assign(decision=False), pilot).measures
    assert measures is not None
    assert measures.precision is None
    assert measures.recall.value == 0


def test_sites_are_judged_by_themselves_and_small_ones_are_not(pilot: Pilot) -> None:
    rows = made()
    found = judged(rows, pilot)
    assert list(found.sites) == ["EWR", "JFK", "LGA"]
    jfk, own = found.sites["JFK"], rows[rows["origin"] == "JFK"]
    assert jfk.measures is not None
    assert jfk.measures.roc_auc.value == pytest.approx(roc_auc_score(own["label"], own["score"]))
    small = found.sites["LGA"]
    assert small.measures is None
    assert small.rows == small.labelled == (rows["origin"] == "LGA").sum()
    assert "of at least 500" in (small.why_not or "")


def test_before_every_outcome_can_be_there_nothing_is_measured(pilot: Pilot) -> None:
    """A delay is known late: of a model that is right, the early outcomes say that it expects too many."""
    rows = made(8000)
    rows.loc[rows["label"].eq(1) & (rows.index % 2 == 0), "label"] = np.nan
    assert (judged(rows, pilot).measures or pytest.fail("measured")).calibration_ratio.high < 0.8
    early = judged(rows, pilot, awaited_until=datetime(2013, 3, 4, tzinfo=UTC))
    assert (early.rows, early.measures, early.never_labelled) == (8000, None, None)
    assert (early.why_not or "").startswith("outcomes arrive until 2013-03-04")
    assert {site.measures for site in early.sites.values()} == {None}


def test_the_share_never_labelled_is_of_the_whole_window(pilot: Pilot) -> None:
    rows = made(8000)
    rows.loc[:799, "label"] = np.nan
    assert judged(rows, pilot).never_labelled == pytest.approx(0.1)
    assert judged(rows.iloc[:0], pilot).never_labelled is None


def test_bounds_of_the_evaluation_hold_as_those_of_a_window_do(pilot: Pilot) -> None:
    """Each with the pilot's confidence: 1.645 standard errors, where the two sides of the interval lie at 1.96."""
    found = judged(made(), pilot).evaluation["roc_auc"]
    assert (found.value, found.low, found.high) == pytest.approx((0.76, 0.7432, 0.7768), abs=1e-4)


@pytest.mark.parametrize(
    "lacking", [{}, REFERENCE | {"brier": 0.17}, {**REFERENCE, "brier": {"value": 0.17}}]
)
def test_an_evaluation_without_its_interval_is_refused(pilot: Pilot, lacking: dict[str, Any]) -> None:
    with pytest.raises(
        TremplinError, match=r"no performance\..*brier.* with its interval.*Make the release again"
    ):
        performance(made(), pilot, lacking, awaited_until=None)
