"""Intervals against theory and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tremplin.comparison import (
    Bootstrap,
    PairsByBlock,
    areas,
    auc,
    auc_difference,
    auc_estimate,
    calibration_error,
    days_of,
    mean_difference,
    skill,
)

HOW = Bootstrap(samples=2000, confidence=0.95, seed=1)


def drawn(days: int, each: int, shared: float) -> tuple[np.ndarray, np.ndarray]:
    """Losses of which a part is shared by the rows of a day, and the day of each."""
    generator = np.random.default_rng(5)
    blocks = np.repeat(np.arange(days), each)
    return generator.normal(0, shared, days)[blocks] + generator.normal(0, 1, days * each), blocks


def test_the_interval_of_a_mean_is_that_of_its_days() -> None:
    """Against theory: the standard error of a mean of days that share an effect is that of the days' own means."""
    losses, blocks = drawn(days=60, each=50, shared=1.0)
    found = mean_difference(losses, np.zeros_like(losses), blocks, HOW)
    means = losses.reshape(60, 50).mean(axis=1)
    expected = 2 * 1.96 * means.std(ddof=1) / 60**0.5
    assert found.value == pytest.approx(losses.mean())
    assert found.high - found.low == pytest.approx(expected, rel=0.1)
    alone = mean_difference(losses, np.zeros_like(losses), np.arange(len(losses)), Bootstrap(200, 0.95, 1))
    assert alone.high - alone.low < 0.5 * expected, "rows drawn one by one would claim too much"


def test_skill_is_one_minus_the_ratio_of_losses() -> None:
    ours, blocks = drawn(days=20, each=30, shared=0.1)
    found = skill(ours**2, np.full_like(ours, 2.0), blocks, HOW)
    assert found.value == pytest.approx(1 - (ours**2).mean() / 2)
    assert found.low < found.value < found.high


def test_auc_is_scikit_learns() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    labels = (generator.random(3000) < 0.3).astype(float)
    scores = np.round(labels * 0.3 + generator.random(3000), 2)  # with ties
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert np.isnan(auc(np.zeros(5), np.arange(5.0)))


def test_auc_of_a_part_is_compared_on_the_same_days() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    labels, blocks = (generator.random(3000) < 0.3).astype(float), np.repeat(np.arange(30), 100)
    scores, part = labels * 0.3 + generator.random(3000), generator.random(3000) < 0.4
    found = auc_difference(part, labels, scores, blocks, HOW)
    expected = roc_auc_score(labels[part], scores[part]) - roc_auc_score(labels, scores)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high
    empty = auc_difference(part & (labels > 0), labels, scores, blocks, HOW)
    assert np.isnan(empty.value)
    assert (empty.low, empty.high) == (-np.inf, np.inf)


def test_calibration_error_is_zero_when_scores_are_rates_and_the_gap_when_they_are_not() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random(200_000)
    labels = (generator.random(200_000) < scores).astype(float)
    assert calibration_error(labels, scores) == pytest.approx(0, abs=0.005)
    assert calibration_error(labels, scores * 0.5) == pytest.approx(0.25, abs=0.005)


def test_days_are_local_days() -> None:
    times = pd.Series(pd.to_datetime(["2013-07-02T03:59Z", "2013-07-02T04:01Z", "2013-07-01T12:00Z"]))
    assert days_of(times, "America/New_York").tolist() == [0, 1, 0]
    assert days_of(times, "UTC").tolist() == [1, 1, 0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=4, max_size=60).filter(
        lambda rows: len({positive for _, positive, _ in rows}) == 2
    )
)
def test_the_pairs_of_days_add_up_to_the_roc_area(rows: list[tuple[int, bool, int]]) -> None:
    score, positive, day = (np.array(column) for column in zip(*rows, strict=True))
    pairs = PairsByBlock.of(positive.astype(float), score / 4, day, 4)
    assert areas(pairs, np.ones((1, 4)))[0] == pytest.approx(roc_auc_score(positive, score))


def of_all_pairs(labels: np.ndarray, scores: np.ndarray) -> float:
    """The concordance as it is defined: pair by pair."""
    higher = labels[:, None] > labels[None, :]
    difference = scores[:, None] - scores[None, :]
    return float(((difference > 0) + (difference == 0) / 2)[higher].sum() / higher.sum())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-4, 4)), min_size=3, max_size=50).filter(
        lambda rows: len({label for label, _ in rows}) > 2
    )
)
def test_the_auc_of_amounts_is_the_concordance(rows: list[tuple[int, int]]) -> None:
    labels, scores = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    assert auc(labels, scores) == pytest.approx(of_all_pairs(labels, scores))
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores))
    assert auc(labels * 240 - 60, scores / 7) == pytest.approx(auc(labels, scores)), "no unit matters"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-5, 5), st.integers(-4, 4), st.integers(0, 3)), min_size=4, max_size=60
    ).filter(lambda rows: len({label for label, _, _ in rows}) > 2)
)
def test_the_pairs_of_days_add_up_to_the_concordance(rows: list[tuple[int, int, int]]) -> None:
    labels, scores, day = (np.array(column) for column in zip(*rows, strict=True))
    pairs = PairsByBlock.of(labels.astype(float), scores.astype(float), day, 4)
    assert areas(pairs, np.ones((1, 4)))[0] == pytest.approx(of_all_pairs(labels, scores))
    twice = np.flatnonzero(day == 1)
    again = np.concatenate([np.arange(len(day)), twice])
    assert areas(pairs, np.array([[1.0, 2.0, 1.0, 1.0]]))[0] == pytest.approx(
        of_all_pairs(labels[again], scores[again])
    )


def test_the_interval_of_a_concordance_holds_it_and_levels_cost_little() -> None:
    generator = np.random.default_rng(0)
    blocks = np.repeat(np.arange(60), 100)
    hidden = generator.normal(size=6000) + generator.normal(0, 0.3, 60)[blocks]
    labels, scores = hidden + generator.normal(size=6000), hidden + generator.normal(0, 0.5, 6000)
    found = auc_estimate(labels, scores, blocks, HOW)
    assert found.value == pytest.approx(of_all_pairs(labels, scores))
    # Of two normal variables with correlation r it is 1/2 + arcsin(r) / pi.
    expected = 0.5 + np.arcsin(np.corrcoef(labels, scores)[0, 1]) / np.pi
    assert found.low < expected < found.high
    one = np.ones((1, 60))
    rounded = float(areas(PairsByBlock.of(labels, scores, blocks, 60), one)[0])
    assert abs(rounded - found.value) < (found.high - found.low) / 10
