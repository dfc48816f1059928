"""Comparisons with an interval: rows of one day rise and fall together, so the bootstrap draws whole days.

Block bootstrap: Künsch (1989), "The jackknife and the bootstrap for general stationary observations"; percentile interval.
Every statistic here is a function of sums over blocks, so a thousand samples cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Levels, by quantiles, that many different labels and scores are rounded to for the draws of a ranking (never for its value).
LABEL_LEVELS, SCORE_LEVELS = 250, 200


@dataclass(frozen=True)
class Estimate:
    """A statistic and the interval around it."""

    value: float
    low: float
    high: float

    @property
    def pivotal(self) -> Estimate:
        """The basic bootstrap interval, from the percentiles of this one.

        The draws of a statistic that sampling alone lifts are as far above it as it is above the truth, so their percentiles
        are mirrored at the value (Davison and Hinkley 1997, "Bootstrap methods and their application", 5.2.1).
        """
        return replace(self, low=2 * self.value - self.high, high=2 * self.value - self.low)


@dataclass(frozen=True)
class Bootstrap:
    """How samples are drawn."""

    samples: int
    confidence: float  # of the two-sided interval
    seed: int

    def weights(self, blocks: int) -> Floats:
        """Shape (samples, blocks): how often each block is drawn; every row adds up to ``blocks``."""
        generator = np.random.default_rng(self.seed)
        return generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=self.samples).astype(
            np.float64
        )

    def interval(self, drawn: Floats) -> tuple[float, float]:
        """Percentiles of the samples in which the statistic exists; (-inf, inf) where there are too few."""
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) < self.samples / 2:
            return -np.inf, np.inf
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return float(low), float(high)


def days_of(times: pd.Series, timezone: str) -> Integers:
    """Code of the local day of each row, 0, 1, 2... in order of time; shape (n,)."""
    local = times.dt.tz_convert(timezone).dt.tz_localize(None).dt.floor("D")
    codes, _ = pd.factorize(local, sort=True)
    return np.asarray(codes, dtype=np.int64)


def mean_difference(first: Floats, second: Floats, blocks: Integers, how: Bootstrap) -> Estimate:
    """``mean(first - second)`` of paired losses, each of shape (n,)."""
    counts = np.bincount(blocks).astype(np.float64)
    sums = np.bincount(blocks, weights=first - second)
    return _estimate(lambda w: (w @ sums) / (w @ counts), len(counts), how)


def skill(loss: Floats, reference: Floats, blocks: Integers, how: Bootstrap) -> Estimate:
    """Skill score ``1 - mean(loss) / mean(reference)`` (Murphy 1988); of Brier losses, the Brier skill score."""
    ours, theirs = np.bincount(blocks, weights=loss), np.bincount(blocks, weights=reference)
    return _estimate(lambda w: 1 - (w @ ours) / (w @ theirs), len(ours), how)


def reweighted_difference(values: Floats, weights: Floats, blocks: Integers, how: Bootstrap) -> Estimate:
    """The weighted mean of ``values`` minus their plain mean, both on the same drawn days; shape (n,), weights positive."""
    counts, sums = np.bincount(blocks).astype(np.float64), np.bincount(blocks, weights=values)
    mass, weighed = np.bincount(blocks, weights=weights), np.bincount(blocks, weights=weights * values)
    return _estimate(lambda w: (w @ weighed) / (w @ mass) - (w @ sums) / (w @ counts), len(counts), how)


def auc(labels: Floats, scores: Floats) -> float:
    """Of all pairs of rows with different labels, the share in which the higher one has the higher score, ties counted half.

    Of yes or no the area under the ROC curve (Mann-Whitney), of amounts the concordance (Harrell et al. 1982, "Evaluating the
    yield of medical tests", JAMA 247). NaN where all labels are the same.
    """
    if len(np.unique(labels)) > 2:
        return _concordance(labels, scores)
    return float(
        areas(PairsByBlock.of(labels, scores, np.zeros(len(labels), dtype=np.int64), 1), np.ones((1, 1)))[0]
    )


def _concordance(labels: Floats, scores: Floats) -> float:
    """From Kendall's tau-b (1945), which counts the same pairs and divides by those without ties in labels and in scores."""
    from scipy.stats import kendalltau

    tau = kendalltau(labels, scores, method="asymptotic").statistic
    if np.isnan(tau):  # every score is the same: each pair is a tie
        return 0.5
    return float((1 + tau * np.sqrt(_untied(scores) / _untied(labels))) / 2)


def _untied(values: Floats) -> float:
    """Pairs of different values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((len(values) ** 2 - (counts**2).sum()) / 2)


def auc_estimate(labels: Floats, scores: Floats, blocks: Integers, how: Bootstrap) -> Estimate:
    """The AUC with its interval; all of shape (n,)."""
    pairs = PairsByBlock.of(labels, scores, blocks, int(blocks.max()) + 1)
    return _about(auc(labels, scores), _estimate(lambda w: areas(pairs, w), len(pairs.won), how))


def auc_difference(
    part: NDArray[np.bool_], labels: Floats, scores: Floats, blocks: Integers, how: Bootstrap
) -> Estimate:
    """AUC within ``part`` minus AUC over all rows, both on the same drawn days."""
    count = int(blocks.max()) + 1
    whole = PairsByBlock.of(labels, scores, blocks, count)
    inside = PairsByBlock.of(labels[part], scores[part], blocks[part], count)
    found = _estimate(lambda w: areas(inside, w) - areas(whole, w), count, how)
    return _about(auc(labels[part], scores[part]) - auc(labels, scores), found)


def _about(value: float, found: Estimate) -> Estimate:
    """The exact value, and the interval moved by what the levels of amounts had rounded off."""
    moved = value - found.value if np.isfinite(value) else 0.0
    return replace(found, value=value, low=found.low + moved, high=found.high + moved)


@dataclass(frozen=True)
class PairsByBlock:
    """What the AUC of any weighting of blocks needs: pairs of a row of block i whose label is above that of a row of block j.

    Each of shape (blocks, blocks).
    """

    won: Floats  # ... and whose score is above, too; a tie counts half
    asked: Floats  # all of them

    @staticmethod
    def of(labels: Floats, scores: Floats, blocks: Integers, count: int) -> PairsByBlock:
        """Count the pairs, all of shape (n,): exactly where there are two labels, else by levels of labels and of scores."""
        two = len(np.unique(labels)) <= 2
        return (PairsByBlock._of_two if two else PairsByBlock._of_many)(labels, scores, blocks, count)

    @staticmethod
    def _of_two(labels: Floats, scores: Floats, blocks: Integers, count: int) -> PairsByBlock:
        positive = labels > labels.min(initial=np.inf)
        won = np.zeros((count, count))
        order = np.argsort(blocks[positive], kind="stable")
        scores_of_positives, blocks_of_positives = scores[positive][order], blocks[positive][order]
        for block in np.unique(blocks[~positive]):
            below = np.sort(scores[~positive & (blocks == block)])
            wins = np.searchsorted(below, scores_of_positives, "left") + np.searchsorted(
                below, scores_of_positives, "right"
            )
            won[:, block] = np.bincount(blocks_of_positives, weights=wins / 2, minlength=count)
        positives, negatives = (np.bincount(blocks[side], minlength=count) for side in (positive, ~positive))
        return PairsByBlock(won, np.outer(positives, negatives).astype(np.float64))

    @staticmethod
    def _of_many(labels: Floats, scores: Floats, blocks: Integers, count: int) -> PairsByBlock:
        label, score = _levels(labels, LABEL_LEVELS), _levels(scores, SCORE_LEVELS)
        shape = count, int(label.max()) + 1, int(score.max()) + 1
        rows = np.zeros(shape)
        np.add.at(rows, (blocks, label, score), 1)
        lower = (
            np.cumsum(rows, axis=1) - rows
        )  # rows of a block with a label below that level, by level of score
        beaten = np.cumsum(lower, axis=2) - lower / 2  # ... and with a score below
        won = rows.reshape(count, -1) @ beaten.reshape(count, -1).T
        return PairsByBlock(won, rows.sum(axis=2) @ lower.sum(axis=2).T)


def areas(pairs: PairsByBlock, weights: Floats) -> Floats:
    """AUC in each weighting of the blocks, shape (weightings,); NaN where all labels are the same."""
    won, asked = (((weights @ counts) * weights).sum(axis=1) for counts in (pairs.won, pairs.asked))
    with np.errstate(invalid="ignore"):  # a sample of one label alone has no AUC: NaN
        area: Floats = won / asked
    return area


def _levels(values: Floats, most: int) -> Integers:
    """The rank of each value among the different ones, or among at most so many quantiles."""
    different, ranks = np.unique(values, return_inverse=True)
    if len(different) > most:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, most + 1)[1:-1]))
        ranks = np.searchsorted(edges, values, side="right")
    return np.asarray(ranks, dtype=np.int64)


def _estimate(statistic: Callable[[Floats], Floats], blocks: int, how: Bootstrap) -> Estimate:
    value = float(statistic(np.ones((1, blocks)))[0])
    low, high = how.interval(statistic(how.weights(blocks)))
    return Estimate(value, low, high)


def calibration_error(labels: Floats, scores: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal count: mean |mean score - share of positives|, weighted by rows.

    Source: Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning", with
    equal counts instead of equal widths (Nguyen and O'Connor 2015), so that no bin is nearly empty.
    """
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(scores[part].mean() - labels[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(order)
