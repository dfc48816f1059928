"""Scores of predictions and their intervals by a bootstrap of whole days.

Rows of one day are not independent (one storm delays them all), so days are drawn, not rows: the block bootstrap
(Künsch 1989, Annals of Statistics 17(3)). A draw is a weight a day; sums by day are kept once, and every draw is a
product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tremplin.comparison import Bootstrap, Estimate, Floats, PairsByBlock, areas, auc, calibration_error

GRID = 2_000  # scores are rounded to this many steps for the draws of a ranking (never for its value)
BATCH = 100  # draws at a time: what bounds memory


def wilson(successes: int, rows: int, confidence: float) -> Estimate:
    """A share with its score interval (Wilson 1927, JASA 22); NaN in (0, 1) where there is no row."""
    if rows == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, squared = successes / rows, z * z
    middle = (share + squared / (2 * rows)) / (1 + squared / rows)
    half = z / (1 + squared / rows) * (share * (1 - share) / rows + squared / (4 * rows * rows)) ** 0.5
    return Estimate(share, middle - half, middle + half)


def mean_estimate(values: Floats, confidence: float) -> Estimate:
    """A mean with its normal interval; NaN, and no bounds, where there are fewer than two values."""
    if len(values) < 2:
        return Estimate(float("nan"), -np.inf, np.inf)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * float(values.std(ddof=1)) / len(values) ** 0.5
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half)


class Draws:
    """A bootstrap of days that several scores of the same rows share, so that their differences are paired.

    Args:
        days: for each row the day it belongs to (any values), shape (n,).
        how: samples, seed and confidence.
    """

    def __init__(self, days: NDArray[Any], how: Bootstrap) -> None:
        known, self._day = np.unique(days, return_inverse=True)
        self.days = len(known)
        self._how = how
        self._weights = how.weights(self.days)

    def sums(self, values: Floats) -> Floats:
        """Sum of ``values`` over the rows, in each draw: shape (samples,)."""
        return self._weights @ np.bincount(self._day, weights=values, minlength=self.days)

    def estimate(self, value: float, drawn: Floats) -> Estimate:
        """The value, with the interval of its draws."""
        return Estimate(float(value), *self._how.interval(drawn))

    def ratio(self, numerator: Floats, denominator: Floats) -> Estimate:
        """A quotient of sums over rows: a mean, a precision, a recall."""
        total, draws = denominator.sum(), self.sums(denominator)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(draws > 0, self.sums(numerator) / draws, np.nan)
        return self.estimate(numerator.sum() / total if total else float("nan"), values)

    def of_sums(self, statistic: Callable[..., Any], *values: Floats) -> Estimate:
        """A function of sums over the rows, one for each of ``values``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.estimate(
                statistic(*(each.sum() for each in values)), statistic(*(self.sums(each) for each in values))
            )

    def concordance(self, labels: Floats, scores: Floats) -> Estimate:
        """``comparison.auc`` of amounts: exact, with the draws of its levels."""
        pairs = PairsByBlock.of(labels, scores, self._day, self.days)
        value, levels = auc(labels, scores), float(areas(pairs, np.ones((1, self.days)))[0])
        return self.estimate(value, areas(pairs, self._weights) + (value - levels))

    def ranking(self, labels: Floats, scores: Floats) -> tuple[Estimate, Estimate]:
        """ROC AUC and average precision of yes or no."""
        levels, level = np.unique(np.round(scores * GRID), return_inverse=True)
        positive, negative = (self._table(side, level, len(levels)) for side in (labels, 1 - labels))
        parts = [
            _ranking(self._weights[at : at + BATCH] @ positive, self._weights[at : at + BATCH] @ negative)
            for at in range(0, len(self._weights), BATCH)
        ]
        areas, precisions = (np.concatenate(draws) for draws in zip(*parts, strict=True))
        return self.estimate(auc(labels, scores), areas), self.estimate(
            average_precision(labels, scores), precisions
        )

    def calibration_error(self, labels: Floats, scores: Floats, bins: int = 10) -> Estimate:
        """``comparison.calibration_error``, with the bins of the whole kept in every draw.

        Of perfect probabilities the value is above zero by sampling alone, and so are the draws: read it beside its limit.
        """
        order = np.argsort(scores, kind="stable")
        group = np.empty(len(order), dtype=np.intp)
        group[order] = np.repeat(np.arange(bins), [len(part) for part in np.array_split(order, bins)])
        gaps = np.abs(self._weights @ self._table(scores - labels, group, bins)).sum(axis=1)
        return self.estimate(calibration_error(labels, scores, bins), gaps / self.sums(np.ones_like(labels)))

    def _table(self, values: Floats, groups: NDArray[np.intp], count: int) -> Floats:
        cell = self._day * count + groups
        sums: Floats = np.bincount(cell, weights=values, minlength=self.days * count).astype(np.float64)
        return sums.reshape(self.days, count)


def average_precision(labels: Floats, scores: Floats) -> float:
    """Mean precision over the positives, each at its own score."""
    _, level = np.unique(scores, return_inverse=True)
    positive: Floats = np.bincount(level, weights=labels).astype(np.float64)
    negative: Floats = np.bincount(level, weights=1 - labels).astype(np.float64)
    return float(_ranking(positive[None, :], negative[None, :])[1][0])


def _ranking(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """AUC and average precision from counts by level of score, levels ascending: shape (draws, levels) each."""
    positives, negatives = positive.sum(axis=1), negative.sum(axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    hits = np.cumsum(positive[:, ::-1], axis=1)
    flagged = hits + np.cumsum(negative[:, ::-1], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (positive * below).sum(axis=1) / (positives * negatives)
        precision = np.where(flagged > 0, hits / flagged, 0.0)
        return area, (positive[:, ::-1] * precision).sum(axis=1) / positives
