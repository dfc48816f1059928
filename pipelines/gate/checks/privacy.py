"""Does it give away whom it was trained on: who was in the training data, and parts of the model that speak of a few of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.pipeline import Pipeline

from pipelines.gate.material import CheckFunction, Material, evenly
from pipelines.verdict import Check
from tremplin.comparison import Floats, auc_estimate, days_of
from tremplin.frame import model_columns

ROWS = 5_000  # members, and as many others, that the attack is tried on
PART = 4  # every fourth training row trains the reference model
ALARMS = 0.01  # share of others taken for members at which the attack's hits are told


def membership(material: Material) -> Check:
    """An attacker cannot tell the rows that trained the model from rows that did not.

    The attack takes a low loss for a sign of membership (Yeom et al. 2018, "Privacy risk in machine learning"), calibrated by a
    reference model (Watson et al. 2022, "On the importance of difficulty calibration in membership inference attacks"; Carlini et
    al. 2022, "Membership inference attacks from first principles"): how much lower the model's loss on a row is than that of the
    same recipe fitted without it. Without the reference it would tell seasons apart, not members: the evaluation is later, and
    there are easy months and hard ones. The reference is fitted on every fourth training row: it has seen each training day as
    the model has, but not the members that are asked about. Blocked where even the interval's low end is beyond the limit.
    """
    limit = material.pilot.file.gate.membership_limit
    known = np.arange(len(material.train)) % PART == 0
    reference = material.fitted_on(known)
    members = np.flatnonzero(~known)[evenly(int((~known).sum()), ROWS)]
    others = evenly(len(material.evaluation), ROWS)
    frames = [material.train_frame.iloc[members], material.frame.iloc[others]]
    labels = np.concatenate([material.train_labels[members], material.labels[others]])
    said = np.concatenate([material.said_of(model_columns(frames[0])), material.scores[others]])
    expected = np.concatenate([material.said_by(reference, frame) for frame in frames])
    signal = (expected - labels) ** 2 - (said - labels) ** 2
    truth = np.repeat([1.0, 0.0], [len(members), len(others)])
    found = auc_estimate(truth, signal, _days(material, members, others), material.how)
    hits = float((signal[truth == 1] > np.quantile(signal[truth == 0], 1 - ALARMS)).mean())
    return Check(
        id="membership",
        requirement="AUC of telling training rows from others by their loss; the interval's low end stays within the limit",
        value=found.value,
        limit=limit,
        interval=(found.low, found.high),
        passed=found.low <= limit,
        evidence=f"at {ALARMS:.0%} false alarms {hits:.1%} of the members are recognised; {len(members):,} members and "
        f"{len(others):,} others, loss against that of the same recipe without them",
        source="model.onnx on train.parquet and evaluation.parquet; pilot.yaml gate.membership_limit",
    )


def specific_parts(material: Material) -> Check:
    """No leaf of a tree and no column of a linear model stands for fewer than k training rows.

    k-anonymity (Sweeney 2002) of what the model holds. It blocks where the charter says that personal data is processed; a rare
    airport is nobody. A family of models whose parts cannot be counted here does not pass then.
    """
    limit = material.pilot.file.gate.smallest_group
    personal = material.pilot.charter.gdpr.personal_data
    rows = smallest_parts(material.pipeline, material.train_frame)
    below = int((rows < limit).sum())
    smallest = float(rows.min()) if len(rows) else None
    said = f"{below:,} of {len(rows):,} leaves, or columns and reference categories, stand for fewer than {limit:,} training rows"
    if smallest is None:
        said = "the parts of this kind of model cannot be counted (those of LightGBM, scikit-learn's trees and linear models can)"
    return Check(
        id="specific-parts",
        requirement="Training rows that the smallest leaf, or column of a linear model, stands for",
        value=smallest,
        limit=limit,
        passed=not personal or (smallest is not None and smallest >= limit),
        evidence=said + ("" if personal else "; it blocks only where the charter says personal data"),
        source="pipeline.pkl, train.parquet; pilot.yaml gate.smallest_group, charter.gdpr.personal_data",
    )


def smallest_parts(pipeline: Pipeline, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Training rows in each leaf of a tree model, or behind each part of a linear one; shape (parts,), empty if it is neither."""
    *before, last = _steps(pipeline)
    if hasattr(last, "booster_"):
        text = last.booster_.model_to_string()
        lines = (line for line in text.splitlines() if line.startswith("leaf_count="))
        counts = [int(count) for line in lines for count in line.partition("=")[2].split()]
    elif hasattr(last, "tree_") or hasattr(last, "estimators_"):
        counts = _leaves(_members(last))
    elif hasattr(last, "coef_"):
        design: Any = frame
        for step in before:
            design = step.transform(design)
        counts = _told_apart(_columns(design))
    else:
        counts = []
    return np.asarray(counts, dtype=np.int64)


def _steps(fitted: Any) -> list[Any]:
    """The steps of a pipeline, those of pipelines within it included, without those that change nothing."""
    if isinstance(fitted, Pipeline):
        return [inner for _, step in fitted.steps for inner in _steps(step)]
    return [] if fitted is None or fitted == "passthrough" else [fitted]


def _members(fitted: Any) -> list[Any]:
    """The estimators that a fitted one is made of; itself if it is one."""
    found = getattr(fitted, "estimators_", [fitted])
    return list(found.flat) if isinstance(found, np.ndarray) else list(found)


def _leaves(members: list[Any]) -> list[int]:
    """Rows in each leaf of trees; none if any member is something else, whose parts nobody counted."""
    if not all(hasattr(member, "tree_") for member in members):
        return []
    trees = [member.tree_ for member in members]
    return [int(rows) for tree in trees for rows in tree.n_node_samples[tree.children_left < 0]]


def _columns(design: Any) -> Iterator[Floats]:
    """The columns of a matrix of any kind, each of shape (n,)."""
    if sparse.issparse(design):
        by_column = sparse.csc_array(design)
        yield from (by_column[:, [at]].toarray().ravel() for at in range(by_column.shape[1]))
    else:
        yield from np.asarray(design, dtype=np.float64).T


def _told_apart(columns: Iterable[Floats]) -> list[int]:
    """Rows that each coefficient tells from the others, and rows behind each reference category.

    Of a column these are the rows that do not have its median: of two values, however scaled, the smaller side. A category
    without a column of its own is what is left of a run of columns of which no two are set in one row.
    """
    counts, sets, rows = [], [], 0  # sets: the rows with the higher of two values, eight to a byte
    for column in columns:
        rows = len(column)
        middle = np.partition(column, len(column) // 2)[len(column) // 2]
        apart = int((column != middle).sum())
        if apart:
            counts.append(apart)
        higher = column == column.max()
        two = apart and (higher | (column == column.min())).all()
        sets.append(np.packbits(higher) if two else None)
    return counts + _references(sets, rows)


def _references(sets: list[NDArray[np.uint8] | None], rows: int) -> list[int]:
    """Rows that are in none of a run of sets of which no two have a row in common; a run that leaves none has no reference."""
    left, ends = [], set()
    for start in range(len(sets)):
        union: NDArray[np.uint8] = np.zeros((), dtype=np.uint8)
        end = start
        while end < len(sets) and (own := sets[end]) is not None and not (union & own).any():
            union, end = union | own, end + 1
        rest = rows - int(np.bitwise_count(union).sum())
        if end - start > 1 and end not in ends and rest:
            left.append(rest)
        ends.add(end)
    return left


def _days(material: Material, members: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.int64]:
    time, timezone = material.pilot.contract.time, material.pilot.file.data.timezone
    chosen = [material.train[time].iloc[members], material.evaluation[time].iloc[others]]
    return days_of(pd.concat(chosen, ignore_index=True), timezone)


CHECKS: list[CheckFunction] = [membership, specific_parts]
