"""A model as the pipeline would have made it at a moment of the past: the same preparation, choice and fit, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from pipelines.fitting import brier, fit, labels_of
from pipelines.modeling import choose, time_folds
from pipelines.preparation import prepare
from pipelines.profiling import reference_sample
from tremplin.comparison import Floats, Integers, auc
from tremplin.errors import TremplinError
from tremplin.frame import model_frame
from tremplin.pilot import Pilot


@dataclass(frozen=True)
class Hindsight:
    """A fitted pipeline, what it was promised to be worth, and rows of its training."""

    pipeline: Pipeline
    winner: str
    evaluation: Mapping[str, float]  # roc_auc, brier on its last ``evaluation_days``, which it never saw
    evaluated: pd.DataFrame  # those rows
    reference: pd.DataFrame

    def score(self, rows: pd.DataFrame, pilot: Pilot) -> Floats:
        """Probability of the target for each row, shape (n,)."""
        return np.asarray(
            self.pipeline.predict_proba(model_frame(rows, pilot.contract))[:, 1], dtype=np.float64
        )


def trained_at(rows: pd.DataFrame, pilot: Pilot, as_of: datetime) -> Hindsight:
    """Train on what was known of ``rows`` (the contract's columns, typed) at ``as_of``.

    Raises:
        TremplinError: too little was known by then.
    """
    contract, data = pilot.contract, pilot.file.data
    time, known_at, target = contract.time, contract.label_time, contract.target
    then = rows[(rows[time] >= as_of - timedelta(days=data.window_days)) & (rows[time] < as_of)]
    later = then[known_at] > as_of
    then = then.assign(**{target: then[target].mask(later), known_at: then[known_at].mask(later)})
    if then.empty:
        raise TremplinError(f"No row of {pilot.name} was known on {as_of:%Y-%m-%d}: begin the history later.")
    prepared = prepare(then, contract, evaluation_days=data.evaluation_days, timezone=data.timezone)
    frame, labels = model_frame(prepared.train, contract), labels_of(prepared.train, contract)
    winner = _chosen(prepared.train, frame, labels, pilot)
    pipeline = fit(pilot, pilot.file.model, winner, frame, labels)
    scores = pipeline.predict_proba(model_frame(prepared.evaluation, contract))[:, 1]
    labels = labels_of(prepared.evaluation, contract)
    return Hindsight(
        pipeline,
        winner,
        {"roc_auc": auc(labels, scores), "brier": brier(labels, scores)},
        prepared.evaluation,
        reference_sample(prepared.train, contract, pilot.file.monitoring.drift_sample, pilot.file.model.seed),
    )


def _chosen(rows: pd.DataFrame, frame: pd.DataFrame, labels: Floats, pilot: Pilot) -> str:
    """The candidate that the pipeline would have taken: its folds and its rule."""
    settings = pilot.file.model

    def later_brier(name: str, known: Integers, later: Integers) -> float:
        fitted = fit(pilot, settings, name, frame.iloc[known], labels[known])
        return brier(labels[later], fitted.predict_proba(frame.iloc[later])[:, 1])

    folds = list(time_folds(rows, pilot.contract, count=settings.folds, timezone=pilot.file.data.timezone))
    with ThreadPoolExecutor(settings.threads) as pool:
        started = {
            name: [pool.submit(later_brier, name, *fold) for fold in folds] for name in settings.candidates
        }
        return choose({name: [part.result() for part in parts] for name, parts in started.items()})
