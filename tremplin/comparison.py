"""Comparisons with an interval: rows of one day rise and fall together, so the bootstrap draws whole days.

Block bootstrap: Künsch (1989), "The jackknife and the bootstrap for general stationary observations"; percentile interval.
Every statistic here is a function of sums over blocks, so a thousand samples cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A statistic and the interval around it."""

    value: float
    low: float
    high: float


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
    """Area under the ROC curve, ties counted half (Mann-Whitney); NaN where one class is missing."""
    return float(
        areas(PairsByBlock.of(labels, scores, np.zeros(len(labels), dtype=np.int64), 1), np.ones((1, 1)))[0]
    )


def auc_estimate(labels: Floats, scores: Floats, blocks: Integers, how: Bootstrap) -> Estimate:
    """The AUC with its interval; all of shape (n,)."""
    pairs = PairsByBlock.of(labels, scores, blocks, int(blocks.max()) + 1)
    return _estimate(lambda w: areas(pairs, w), len(pairs.positives), how)


def auc_difference(
    part: NDArray[np.bool_], labels: Floats, scores: Floats, blocks: Integers, how: Bootstrap
) -> Estimate:
    """AUC within ``part`` minus AUC over all rows, both on the same drawn days."""
    count = int(blocks.max()) + 1
    whole = PairsByBlock.of(labels, scores, blocks, count)
    inside = PairsByBlock.of(labels[part], scores[part], blocks[part], count)
    return _estimate(lambda w: areas(inside, w) - areas(whole, w), count, how)


@dataclass(frozen=True)
class PairsByBlock:
    """What the AUC of any weighting of blocks needs: won[i, j] pairs of a positive of block i above a negative of block j."""

    won: Floats  # shape (blocks, blocks); a tie counts half
    positives: Floats  # shape (blocks,)
    negatives: Floats  # shape (blocks,)

    @staticmethod
    def of(labels: Floats, scores: Floats, blocks: Integers, count: int) -> PairsByBlock:
        """Count the pairs; labels 0 or 1, all of shape (n,)."""
        positive = labels > 0
        won = np.zeros((count, count))
        order = np.argsort(blocks[positive], kind="stable")
        scores_of_positives, blocks_of_positives = scores[positive][order], blocks[positive][order]
        for block in np.unique(blocks[~positive]):
            below = np.sort(scores[~positive & (blocks == block)])
            wins = np.searchsorted(below, scores_of_positives, "left") + np.searchsorted(
                below, scores_of_positives, "right"
            )
            won[:, block] = np.bincount(blocks_of_positives, weights=wins / 2, minlength=count)
        return PairsByBlock(
            won,
            np.bincount(blocks[positive], minlength=count).astype(np.float64),
            np.bincount(blocks[~positive], minlength=count).astype(np.float64),
        )


def areas(pairs: PairsByBlock, weights: Floats) -> Floats:
    """ROC AUC in each weighting of the blocks, shape (weightings,); NaN where a class is missing."""
    with np.errstate(invalid="ignore"):  # a sample without one of the classes has no AUC: NaN
        won = np.einsum("si,ij,sj->s", weights, pairs.won, weights, optimize=True)
        area: Floats = won / ((weights @ pairs.positives) * (weights @ pairs.negatives))
    return area


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
