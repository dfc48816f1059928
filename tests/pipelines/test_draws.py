"""Scores against scikit-learn, intervals against draws of rows made one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipelines.draws import Draws, average_precision, wilson
from tremplin.comparison import Bootstrap, Floats, auc, calibration_error

HOW = Bootstrap(samples=300, confidence=0.95, seed=3)


def example(count: int = 3000, days: int = 30) -> tuple[Floats, Floats, np.ndarray]:
    """Labels, scores (honest, with ties) and days; a day has a level of its own."""
    random = np.random.default_rng(5)
    day = np.sort(random.integers(0, days, count))
    scores = np.round(np.clip(random.beta(2, 4, count) + random.normal(0, 0.1, days)[day], 0.01, 0.99), 2)
    return (random.random(count) < scores).astype(np.float64), scores, day


def test_average_precision_is_scikit_learns_with_ties() -> None:
    labels, scores, _ = example()
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))


def test_the_draws_of_a_ranking_are_those_of_rows_repeated_one_by_one() -> None:
    labels, scores, days = example()
    area, precision = Draws(days, HOW).ranking(labels, scores)
    areas, precisions = [], []
    for weights in HOW.weights(len(np.unique(days))):
        chosen = np.repeat(np.arange(len(days)), weights[days].astype(int))
        areas.append(roc_auc_score(labels[chosen], scores[chosen]))
        precisions.append(average_precision_score(labels[chosen], scores[chosen]))
    assert (area.low, area.high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=1e-9)
    assert (precision.low, precision.high) == pytest.approx(
        tuple(np.quantile(precisions, [0.025, 0.975])), abs=1e-9
    )
    assert area.value == auc(labels, scores)


def test_scores_finer_than_the_grid_move_the_interval_by_nothing_that_counts() -> None:
    labels, scores, days = example()
    fine = scores + np.random.default_rng(1).uniform(-0.005, 0.005, len(scores))
    draws, weights = Draws(days, HOW), HOW.weights(len(np.unique(days)))
    exact = [
        roc_auc_score(labels[chosen], fine[chosen])
        for chosen in (np.repeat(np.arange(len(days)), w[days].astype(int)) for w in weights)
    ]
    area, _ = draws.ranking(labels, fine)
    assert (area.low, area.high) == pytest.approx(tuple(np.quantile(exact, [0.025, 0.975])), abs=5e-4)


def test_a_ratio_is_a_ratio_of_sums_in_every_draw() -> None:
    labels, scores, days = example()
    found = Draws(days, HOW).ratio(labels, scores)
    assert found.value == pytest.approx(labels.sum() / scores.sum())
    assert found.low < found.value < found.high


def test_days_that_differ_widen_the_interval_of_rows() -> None:
    labels, _, days = example()
    by_day = Draws(days, HOW).ratio(labels, np.ones_like(labels))
    by_row = Draws(np.arange(len(labels)), HOW).ratio(labels, np.ones_like(labels))
    assert by_day.high - by_day.low > 1.5 * (by_row.high - by_row.low)


def test_a_ratio_over_nothing_is_no_number() -> None:
    found = Draws(np.arange(10), HOW).ratio(np.ones(10), np.zeros(10))
    assert np.isnan(found.value)


def test_honest_scores_are_calibrated_and_shrunken_ones_are_not() -> None:
    labels, scores, days = example(20_000)
    draws = Draws(days, HOW)
    honest, shrunken = draws.calibration_error(labels, scores), draws.calibration_error(labels, scores * 0.6)
    assert honest.value == pytest.approx(calibration_error(labels, scores))
    assert honest.high < 0.05
    assert shrunken.low > 0.1


@pytest.mark.parametrize(
    ("successes", "rows", "low", "high"),
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(successes: int, rows: int, low: float, high: float) -> None:
    found = wilson(successes, rows, 0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_wilson_of_nothing_knows_nothing() -> None:
    found = wilson(0, 0, 0.95)
    assert np.isnan(found.value)
    assert (found.low, found.high) == (0, 1)
