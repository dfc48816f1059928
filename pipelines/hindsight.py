"""A model as the pipeline would have made it at a moment of the past: the same preparation, choice and fit, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from pipelines.fitting import brier, fit, labels_of, predict
from pipelines.measures import whole
from pipelines.modeling import choose, time_folds
from pipelines.preparation import prepare
from pipelines.profiling import reference_sample
from tremplin.comparison import Bootstrap, Estimate, Floats, Integers, days_of, skill
from tremplin.errors import TremplinError
from tremplin.frame import model_frame
from tremplin.pilot import Pilot


@dataclass(frozen=True)
class Hindsight:
    """A fitted pipeline, what it was promised to be worth, and rows of its training."""

    pipeline: Pipeline
    winner: str
    evaluation: Mapping[str, Any]  # every estimate on its last ``evaluation_days``, which it never saw
    blocked_by: Sequence[str]  # the gate's checks that need no more than these rows and scores
    evaluated: pd.DataFrame  # those rows
    reference: pd.DataFrame

    def score(self, rows: pd.DataFrame, pilot: Pilot) -> Floats:
        """Probability of the target for each row, shape (n,)."""
        return predict(self.pipeline, model_frame(rows, pilot.contract), pilot.contract)


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
    baseline = fit(pilot, pilot.file.model, "baseline", frame, labels)
    evaluation, blocked_by = _examined(prepared.evaluation, pipeline, baseline, pilot)
    return Hindsight(
        pipeline,
        winner,
        evaluation,
        blocked_by,
        prepared.evaluation,
        reference_sample(prepared.train, contract, pilot.file.monitoring.drift_sample, pilot.file.model.seed),
    )


def _examined(
    rows: pd.DataFrame, pipeline: Pipeline, baseline: Pipeline, pilot: Pilot
) -> tuple[dict[str, Any], list[str]]:
    """What the evaluation would have measured, and which of the gate's limits that breaks."""
    contract, gate = pilot.contract, pilot.file.gate
    frame, labels = model_frame(rows, contract), labels_of(rows, contract)
    scores, simple = (contract.scale.to_unit(predict(each, frame, contract)) for each in (pipeline, baseline))
    days = days_of(rows[contract.time], pilot.file.data.timezone)
    how = Bootstrap(gate.bootstrap_samples, gate.confidence, pilot.file.model.seed)
    found = whole(labels, scores, days, charter=pilot.charter, scale=contract.scale, how=how)
    within = {
        "calibration": Estimate(**found["calibration_error"]).pivotal.low <= gate.calibration_limit,
        "baseline": skill((scores - labels) ** 2, (simple - labels) ** 2, days, how).low
        >= gate.baseline_margin,
        "result-too-good": found[contract.task.ranking]["value"] <= gate.result_auc_limit,
    }
    return found, [name for name, passed in within.items() if not passed]


def _chosen(rows: pd.DataFrame, frame: pd.DataFrame, labels: Floats, pilot: Pilot) -> str:
    """The candidate that the pipeline would have taken: its folds and its rule."""
    contract, settings = pilot.contract, pilot.file.model

    def later_loss(name: str, known: Integers, later: Integers) -> float:
        fitted = fit(pilot, settings, name, frame.iloc[known], labels[known])
        return brier(labels[later], contract.scale.to_unit(predict(fitted, frame.iloc[later], contract)))

    folds = list(time_folds(rows, pilot.contract, count=settings.folds, timezone=pilot.file.data.timezone))
    with ThreadPoolExecutor(settings.threads) as pool:
        started = {
            name: [pool.submit(later_loss, name, *fold) for fold in folds] for name in settings.candidates
        }
        return choose({name: [part.result() for part in parts] for name, parts in started.items()})
