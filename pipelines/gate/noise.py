"""How many labels were changed, by what the rest of the training rows expect of them.

Every row is scored by a small model that saw nothing of its day (three folds of whole days, after Northcutt et al. 2021,
"Confident learning", JAIR 70, which judges labels by out-of-sample probabilities). A group's labels are then compared with what
those probabilities expect, its own base rate aside: seasons and sites move it honestly.

Amounts are audited by their ranks among all training rows, from 0 to 1: a few extreme ones would hide the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

from pipelines.gate.material import Material
from tremplin.comparison import Floats, Integers, days_of
from tremplin.contract import Contract
from tremplin.frame import model_frame
from tremplin.target import Task

FOLDS = 3
SAMPLE = 30_000  # rows a fold learns from, evenly over the time; more adds little to so small a model
THREADS, ROUNDS = 1, 30
TREES = {
    "learning_rate": 0.15, "num_leaves": 15, "min_data_in_leaf": 100, "num_threads": THREADS,
    "deterministic": True, "force_row_wise": True, "seed": 0, "verbosity": -1,
}  # fmt: skip
CERTAIN = 0.02  # a probability nearer to 0 or 1 is taken for this: one row must not decide
BINS = 20  # of a number, by its quantiles: rows that agree in all bins are near-identical
COPIES = 3  # of near-identical rows the model may learn from: it must not learn what was injected


@dataclass(frozen=True)
class Audited:
    """Training rows as the audit sees them. Every array has one entry a row."""

    train: pd.DataFrame
    labels: Floats  # 0 or 1; of amounts the rank
    days: Integers  # local day
    cells: Integers  # shared by near-identical rows
    scores: Floats  # what is expected of the label, by a model that saw nothing of the row's day
    task: Task


def audited(material: Material, groups: set[str]) -> Audited:
    """The training rows, scored without the columns that name ``groups``: a model that sees them learns what was done to them."""
    train, contract = material.train, material.pilot.contract
    labels = train[contract.target].to_numpy("float64")
    if contract.task is Task.REGRESSION:
        labels = np.asarray(rankdata(labels), dtype=np.float64) / len(labels)
    days = days_of(train[contract.time], material.pilot.file.data.timezone)
    columns = _columns(train, contract)
    cells = near_identical(columns, contract)
    seen = [values for name, values in columns.items() if name not in groups] or list(columns.values())
    objective = "binary" if contract.task is Task.CLASSIFICATION else "regression"
    scores = _out_of_sample(np.column_stack(seen), labels, days, cells, objective=objective)
    return Audited(train, labels, days, cells, scores, contract.task)


@dataclass(frozen=True)
class Noise:
    """Of each group, shape (k,): the share of changed labels, its information, and its standard error clustered by day."""

    share: Floats
    information: Floats
    error: Floats


def label_noise(rows: Audited, groups: Integers) -> Noise:
    """The share of changed labels in each group."""
    estimate = _of_classes if rows.task is Task.CLASSIFICATION else _of_amounts
    return estimate(rows.scores, rows.labels, groups, rows.days)


def _of_amounts(scores: Floats, labels: Floats, groups: Integers, days: Integers) -> Noise:
    """The share of amounts that were put in place of others and say nothing of their rows, the group's own mean aside.

    Of such a share e the expected label is ``(1 - e) s`` and a constant: the slope of labels on scores falls by e. (The same
    holds of any function of the amount, hence of its rank.) Amounts that are all moved alike are another mean, and not seen.
    """
    size = int(groups.max()) + 1
    counts = np.maximum(np.bincount(groups, minlength=size), 1)

    def total(values: Floats) -> Floats:
        return np.bincount(groups, values, size).astype(np.float64)

    centred = scores - (total(scores) / counts)[groups]
    rest = labels - (total(labels) / counts)[groups] - centred
    spread = np.maximum(total(rest**2) / counts, 1e-9)
    information = np.maximum(total(centred**2) / spread, 1e-9)
    return _noise(-centred * rest / spread[groups], information, groups, days)


def _noise(score: Floats, information: Floats, groups: Integers, days: Integers) -> Noise:
    """From each row's score, shape (n,), and each group's information."""
    size, width = len(information), int(days.max()) + 1
    daily = np.bincount(groups * width + days, score, size * width).reshape(size, width)
    return Noise(daily.sum(axis=1) / information, information, np.sqrt((daily**2).sum(axis=1)) / information)


def _of_classes(scores: Floats, labels: Floats, groups: Integers, days: Integers) -> Noise:
    """The one-step estimate of the share of changed labels in each group, its base rate aside.

    With y true with probability ``e + (1 - 2e) s``, ``s = logistic(a + logit p)`` and ``a`` the group's own, the efficient
    score of e at 0 gives its first step (Rao 1948; Neyman 1959, the C(alpha) test). It asks for what a moved base rate does
    not explain: positives where none is expected beside negatives where one is.
    """
    size, steps = int(groups.max()) + 1, 8
    odds, shift = logit(np.clip(scores, CERTAIN, 1 - CERTAIN)), np.zeros(size)

    def total(values: Floats) -> Floats:
        return np.bincount(groups, values, size).astype(np.float64)

    for _ in range(steps):  # Newton's; a group of one class has no finite shift, hence the bounds
        expected = expit(odds + shift[groups])
        step = total(labels - expected) / np.maximum(total(expected * (1 - expected)), 1e-9)
        shift = np.clip(shift + np.clip(step, -1, 1), -4, 4)
    expected = np.clip(expit(odds + shift[groups]), CERTAIN / 2, 1 - CERTAIN / 2)
    spread, slope = expected * (1 - expected), 1 - 2 * expected
    both, base = total(slope), np.maximum(total(spread), 1e-9)
    information = np.maximum(total(slope**2 / spread) - both**2 / base, 1e-9)
    score = (slope / spread - (both / base)[groups]) * (labels - expected)
    return _noise(score, information, groups, days)


def holm(p: Floats, alpha: float) -> NDArray[np.bool_]:
    """Which hypotheses fall, by Holm's step-down procedure (1979, Scandinavian J. of Statistics 6)."""
    order = np.argsort(p, kind="stable")
    kept = p[order] > alpha / (len(p) - np.arange(len(p)))
    fallen = np.zeros(len(p), dtype=bool)
    fallen[order] = ~np.maximum.accumulate(kept)
    return fallen


def near_identical(columns: dict[str, Floats], contract: Contract) -> Integers:
    """A number for each row, shared by the rows whose features fall in the same bins; shape (n,)."""
    codes = {}
    for name, values in columns.items():
        if contract.column(name).numeric and np.isfinite(values).any():
            edges = np.unique(np.nanquantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
            codes[name] = np.where(np.isnan(values), -1, np.searchsorted(edges, values))
        else:
            codes[name] = np.nan_to_num(values, nan=-1).astype(np.int64)
    hashed = pd.util.hash_pandas_object(pd.DataFrame(codes), index=False)
    return np.asarray(pd.factorize(hashed)[0], dtype=np.int64)


def _out_of_sample(
    matrix: Floats, labels: Floats, days: Integers, cells: Integers, *, objective: str
) -> Floats:
    few = pd.Series(cells).groupby(cells).cumcount().to_numpy() < COPIES
    order = np.random.default_rng(0).permutation(int(days.max()) + 1)  # weekdays are dealt evenly
    fold = order[days] % FOLDS
    scores: Floats = np.full(len(labels), labels.mean())
    for asked in range(FOLDS):
        learnt = np.flatnonzero((fold != asked) & few)
        learnt = learnt[np.unique(np.linspace(0, len(learnt) - 1, SAMPLE).astype(np.int64))]
        model = lightgbm.train(
            TREES | {"objective": objective}, lightgbm.Dataset(matrix[learnt], labels[learnt]), ROUNDS
        )
        scores[fold == asked] = model.predict(matrix[fold == asked], num_threads=THREADS)
    return scores


def _columns(train: pd.DataFrame, contract: Contract) -> dict[str, Floats]:
    """Features as numbers: text by the order of its values."""
    frame = model_frame(train, contract)
    return {
        f.name: np.asarray(
            frame[f.name] if f.numeric else pd.factorize(frame[f.name], sort=True)[0], dtype=np.float64
        )
        for f in contract.features
    }
