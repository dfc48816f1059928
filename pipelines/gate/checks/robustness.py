"""Does it hold when its inputs are worse than at its evaluation: values missing, in another unit, with noise, of a season before.

The same evaluation rows with and without the fault: the difference of their losses is paired and its interval is drawn by
days. A model is blocked where even the low end of an interval is beyond the limit, so that the worst of many faults does
not block by chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipelines.gate import faults
from pipelines.gate.faults import Fault
from pipelines.gate.material import CheckFunction, Material, evenly
from pipelines.verdict import Check
from tremplin.comparison import Estimate, Floats, mean_difference, reweighted_difference
from tremplin.frame import model_columns, model_frame

ROWS = 2_000  # of the evaluation, evenly over it, that each fault is tried on
SEASON_ROWS = 4_000  # of each period, to tell them apart
WEIGHT_CAP = 0.99  # quantile at which weights are cut: a few rows must not speak for a season
FEWEST = 100  # rows that the weighted ones must be worth (Kish's effective sample size)


def missing_values(material: Material) -> Check:
    """What the contract allows to be missing may be missing."""
    frame = material.frame.iloc[evenly(len(material.frame), ROWS)]
    required = [f.name for f in material.pilot.contract.features if not f.nullable]
    return _judged(
        material,
        "missing_values",
        f"{material.task.loss_name} loss added by missing values, at the worst",
        faults.missing(frame, material.pilot.contract, _random(material)),
        f"required and so refused when missing: {', '.join(required)}" if required else "",
    )


def unit_errors(material: Material) -> Check:
    """A unit mistaken for another, where the contract's range does not notice it."""
    frame = material.frame.iloc[evenly(len(material.frame), ROWS)]
    return _judged(
        material,
        "unit_errors",
        f"{material.task.loss_name} loss added by a column in another unit that the contract lets through, at the worst",
        faults.unit_errors(frame, material.pilot.contract),
    )


def noise(material: Material) -> Check:
    """Instruments are not exact."""
    contract = material.pilot.contract
    frame = material.frame.iloc[evenly(len(material.frame), ROWS)]
    numbers = [f.name for f in contract.features if f.numeric]
    spread = material.train[numbers].astype("float64").std()
    return _judged(
        material,
        "noise",
        f"{material.task.loss_name} loss added by noise of {faults.NOISE:g} standard deviations on every number, within the "
        "contract's ranges",
        faults.noise(frame, contract, spread, _random(material)),
    )


def previous_period(material: Material) -> Check:
    """If the world went back to what it was before the evaluation, the model would keep its advantage.

    The rows of that period trained the model, and its loss on them says nothing. So it is the evaluation's own rows that are
    counted as often as their like occurred then: weights from a classifier that tells the two periods apart (Bickel, Brückner
    and Scheffer 2009, "Discriminative learning under covariate shift"). Some months are harder for anybody: what counts is
    the advantage over the baseline.
    """
    limit = material.pilot.file.gate.previous_period_limit
    gain = material.loss - (material.baseline - material.labels) ** 2
    weights = weights_of_before(material)
    worth = float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0
    found: Estimate | None = None
    said = "there is too little alike between the two periods to be judged"
    if worth >= FEWEST:
        found = reweighted_difference(gain, weights, material.days, material.how)
        said = f"{len(gain):,} evaluation rows weighted like the period before are worth {worth:,.0f}; {material.sampled}"
    return Check(
        id="previous-period",
        requirement=f"{material.task.loss_name} advantage over the baseline that is lost on rows like those of the period before "
        "the evaluation",
        value=found.value if found else None,
        limit=limit,
        interval=(found.low, found.high) if found else None,
        passed=found is None or found.low <= limit,
        evidence=said,
        source="model.onnx, baseline.pkl on evaluation.parquet, weighted by train.parquet; pilot.yaml gate.previous_period_limit",
    )


@dataclass(frozen=True)
class _Found:
    """What a fault costs."""

    fault: Fault
    cost: Estimate


def _judged(material: Material, name: str, requirement: str, tried: Iterable[Fault], said: str = "") -> Check:
    """One line on the worst of the faults that the contract does not notice."""
    limit = float(getattr(material.pilot.file.gate, f"{name}_limit"))
    rows = evenly(len(material.frame), ROWS)
    columns, labels, days = (
        model_columns(material.frame.iloc[rows]),
        material.labels[rows],
        material.days[rows],
    )
    found: list[_Found] = []
    noticed = []
    for fault in tried:
        if fault.noticed:
            noticed.append(fault.name)
            continue
        loss = (material.said_of(columns | fault.columns) - labels) ** 2
        on = fault.passing
        cost = mean_difference(loss[on], material.loss[rows][on], days[on], material.how)
        found.append(_Found(fault, cost))
    ranking = sorted(found, key=lambda one: one.cost.value, reverse=True)
    above = [one for one in ranking if not one.cost.low <= limit]
    named = ", ".join(f"{one.fault.name} {one.cost.value:+.3g}" for one in (above or ranking)[:3])
    parts = [
        f"{'too much: ' if above else 'worst: '}{named}" if named else "nothing to try",
        f"{len(found)} tried on {len(rows):,} rows" + (f", {len(noticed)} more refused by the contract" if noticed else ""),
        said,
    ]  # fmt: skip
    worst = ranking[0].cost if ranking else None
    return Check(
        id=name.replace("_", "-"),
        requirement=requirement,
        value=worst.value if worst else None,
        limit=limit,
        interval=(worst.low, worst.high) if worst else None,
        passed=not above,
        evidence="; ".join(part for part in parts if part),
        source=f"model.onnx on evaluation.parquet; contract.yaml; pilot.yaml gate.{name}_limit",
    )


def weights_of_before(material: Material) -> Floats:
    """How often each evaluation row's like occurred in as many days before; shape (n,), empty if there is no such row."""
    contract, data = material.pilot.contract, material.pilot.file.data
    time = material.train[contract.time]
    begins = material.evaluation[contract.time].min() - pd.Timedelta(days=data.evaluation_days)
    before = model_frame(material.train[time >= begins], contract)
    if before.empty:
        return np.array([])
    known = [frame.iloc[evenly(len(frame), SEASON_ROWS)] for frame in (before, material.frame)]
    told = _classifier([f.name for f in contract.features if f.numeric], list(before.columns))
    told.fit(pd.concat(known), np.repeat([1, 0], [len(frame) for frame in known]))
    odds: Floats = np.exp(told.decision_function(material.frame))
    return np.minimum(odds, np.quantile(odds, WEIGHT_CAP))


def _classifier(numbers: list[str], features: list[str]) -> Pipeline:
    known = OneHotEncoder(min_frequency=0.01, handle_unknown="infrequent_if_exist")
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    columns = [
        ("numbers", scaled, numbers),
        ("texts", known, [name for name in features if name not in numbers]),
    ]
    return make_pipeline(ColumnTransformer(columns), LogisticRegression(max_iter=200))


def _random(material: Material) -> np.random.Generator:
    return np.random.default_rng(material.how.seed)


CHECKS: list[CheckFunction] = [missing_values, unit_errors, noise, previous_period]
