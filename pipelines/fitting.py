"""A pilot's transformer and one of its estimators, as one pipeline that is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tremplin.contract import Contract
from tremplin.pilot import Model, Pilot
from tremplin.target import Task

Floats = NDArray[np.float64]


def unfitted(pilot: Pilot, settings: Model, name: str) -> Pipeline:
    """``features`` and ``estimator``, by the name of a candidate or ``baseline``."""
    if name == "baseline":
        estimator = pilot.model.baseline()
    else:
        estimator = pilot.model.candidates(settings.candidates, seed=settings.seed, threads=settings.threads)[
            name
        ]
    return Pipeline([("features", pilot.features.transformer()), ("estimator", estimator)])


def fit(pilot: Pilot, settings: Model, name: str, frame: pd.DataFrame, labels: Floats) -> Pipeline:
    """The same, fitted on the features as the model sees them (``tremplin.frame``) and labels from 0 to 1, shape (n,)."""
    return unfitted(pilot, settings, name).fit(frame, targets(labels, pilot.contract))


def targets(labels: Floats, contract: Contract) -> NDArray[Any]:
    """Labels on the unit interval as an estimator is fitted on them: classes 0 and 1, or amounts in the target's unit."""
    return (
        labels.astype("int64") if contract.task is Task.CLASSIFICATION else contract.scale.from_unit(labels)
    )


def labels_of(rows: pd.DataFrame, contract: Contract) -> Floats:
    """The target of labelled rows on the unit interval (0.0 or 1.0 of yes or no), shape (n,)."""
    return contract.scale.to_unit(rows[contract.target].to_numpy("float64"))


def predict(fitted: Pipeline, frame: pd.DataFrame, contract: Contract) -> Floats:
    """What a fitted pipeline answers to each row, as ``OnnxModel.score`` does: in the target's own unit, shape (n,)."""
    if contract.task is Task.CLASSIFICATION:
        return np.asarray(fitted.predict_proba(frame), dtype=np.float64)[:, 1]
    amounts = np.asarray(fitted.predict(frame), dtype=np.float64).ravel()
    return np.clip(amounts, contract.scale.low, contract.scale.high)


def brier(labels: Floats, scores: Floats) -> float:
    """Mean squared error on the unit interval: of probabilities the Brier score (1950)."""
    return float(np.mean((scores - labels) ** 2))
