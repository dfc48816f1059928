"""A pilot's transformer and one of its estimators, as one pipeline that is fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tremplin.contract import Contract
from tremplin.pilot import Model, Pilot

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
    """The same, fitted on the features as the model sees them (``tremplin.frame``) and labels 0 or 1, shape (n,)."""
    return unfitted(pilot, settings, name).fit(frame, labels.astype("int64"))


def labels_of(rows: pd.DataFrame, contract: Contract) -> Floats:
    """The target of labelled rows as 0.0 or 1.0, shape (n,)."""
    labels: Floats = rows[contract.target].to_numpy("float64")
    return labels


def brier(labels: Floats, scores: Floats) -> float:
    """Mean squared error of a probability (Brier 1950)."""
    return float(np.mean((scores - labels) ** 2))
