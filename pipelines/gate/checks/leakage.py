"""Is it too good to be true: a feature, or a result, that can only have known the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import Floats, auc
from tremplin.contract import Column

BINS = 50  # of a number, when asking how well one feature alone tells the target


def feature_too_good(material: Material) -> Check:
    """No feature alone tells the target so well that it must have been written after it."""
    limit = material.pilot.file.gate.feature_auc_limit
    contract, parts = material.pilot.contract, (material.train, material.evaluation)
    found = {feature.name: single_auc(feature, *parts, contract.target) for feature in contract.features}
    ranking = sorted(found, key=lambda name: found[name], reverse=True)
    above = [name for name in ranking if found[name] > limit]
    said = ", ".join(f"{name} {found[name]:.3f}" for name in (above or ranking[:3]))
    return Check(
        id="feature-too-good",
        requirement=f"No feature alone predicts the target too well to be true ({material.task.ranking_name})",
        value=found[ranking[0]],
        limit=limit,
        passed=not above,
        evidence=f"{'too good: ' if above else 'best: '}{said}",
        source="train.parquet, evaluation.parquet; pilot.yaml gate.feature_auc_limit",
    )


def result_too_good(material: Material) -> Check:
    """The model is not better than the question can be answered."""
    limit, value = material.pilot.file.gate.result_auc_limit, auc(material.labels, material.scores)
    return Check(
        id="result-too-good",
        requirement=f"The model's result is credible ({material.task.ranking_name})",
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=f"{material.task.ranking_name} {value:.3f} on {len(material.labels):,} evaluation rows",
        source="model.onnx on evaluation.parquet; pilot.yaml gate.result_auc_limit",
    )


def single_auc(feature: Column, known: pd.DataFrame, asked: pd.DataFrame, target: str) -> float:
    """How well one feature alone ranks the rows that are ``asked``, the best of three ways, each either way up.

    As it is with missing values lowest, then highest (numbers); and by the target's rate at its value in the
    ``known`` rows (categories, and numbers cut in 50 bins with missing a bin of its own), which also finds what is not monotone.
    """
    train, rows = known[feature.name], asked[feature.name]
    ways: list[pd.Series] = []
    if feature.numeric:
        train, rows = (part.astype("float64") for part in (train, rows))
        ways += [rows.fillna(rows.min() - 1), rows.fillna(rows.max() + 1)]
        edges = np.unique(train.quantile(np.linspace(0, 1, BINS + 1)[1:-1]).dropna())
        train, rows = (_binned(part, edges) for part in (train, rows))
    else:
        train, rows = (part.astype(object).where(part.notna(), "") for part in (train, rows))
    labels = known[target].astype("float64")
    ways.append(rows.map(labels.groupby(train).mean()).astype("float64").fillna(labels.mean()))
    truth = asked[target].to_numpy("float64")
    areas = [auc(truth, np.nan_to_num(way.to_numpy(np.float64))) for way in ways]
    return max(max(area, 1 - area) for area in areas)


def _binned(values: pd.Series, edges: Floats) -> pd.Series:
    return pd.Series(np.where(values.isna(), -1, np.searchsorted(edges, values)), index=values.index)


CHECKS: list[CheckFunction] = [feature_too_good, result_too_good]
