"""What a group of rows is measured by, each with its interval: decisions and their costs, or errors in the target's own unit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from pipelines.draws import Draws
from pipelines.fitting import brier
from tremplin.charter import AnyCharter, ClassificationCharter, RegressionCharter
from tremplin.comparison import Bootstrap, Estimate, Floats, Integers, auc
from tremplin.target import Scale


def whole(
    labels: Floats, scores: Floats, days: Integers, *, charter: AnyCharter, scale: Scale, how: Bootstrap
) -> dict[str, Any]:
    """Ranking, loss, calibration, and what errors are and cost; labels and scores on the unit interval, shape (n,) each."""
    draws, task = Draws(days, how), charter.task
    found = {
        task.loss: draws.ratio((scores - labels) ** 2, np.ones_like(labels)),
        "calibration_error": draws.calibration_error(labels, scores),
        "observed_expected": draws.ratio(labels, scores),
    }
    if isinstance(charter, ClassificationCharter):
        found |= _decisions(labels, scores, draws, charter)
    else:
        found |= {task.ranking: draws.concordance(labels, scores)}
        found |= _errors(scale.from_unit(labels), scale.from_unit(scores), draws, charter)
    estimates = {name: asdict(estimate) for name, estimate in found.items()}
    return _size(labels, charter, scale) | {"days": draws.days} | estimates


def short(labels: Floats, scores: Floats, charter: AnyCharter, scale: Scale) -> dict[str, Any]:
    """The same of few rows, without intervals."""
    return _size(labels, charter, scale) | {
        charter.task.ranking: auc(labels, scores),
        charter.task.loss: brier(labels, scores),
        "observed_expected": float(labels.sum() / scores.sum()),
    }


def _size(labels: Floats, charter: AnyCharter, scale: Scale) -> dict[str, Any]:
    mean = "rate" if isinstance(charter, ClassificationCharter) else "mean"
    return {"rows": len(labels), mean: float(scale.from_unit(labels.mean()))}


def _decisions(
    labels: Floats, scores: Floats, draws: Draws, charter: ClassificationCharter
) -> dict[str, Estimate]:
    roc, precision = draws.ranking(labels, scores)
    ones, costs = np.ones_like(labels), charter.costs
    flagged, cost = charter.decisions(scores).astype(np.float64), charter.cost(scores, labels)
    return {
        charter.task.ranking: roc,
        "average_precision": precision,
        "precision": draws.ratio(flagged * labels, flagged),
        "recall": draws.ratio(flagged * labels, labels),
        "flagged": draws.ratio(flagged, ones),
        "cost_per_row": draws.ratio(cost, ones),
        "saved_per_row_against_none": draws.ratio(labels * costs.missed - cost, ones),
        "saved_per_row_against_all": draws.ratio((1 - labels) * costs.false_alarm - cost, ones),
    }


def _errors(labels: Floats, answers: Floats, draws: Draws, charter: RegressionCharter) -> dict[str, Estimate]:
    """In the target's own unit; ``r2`` is the share of the variance that is explained, ``bias`` above 0 says too much."""
    ones, errors, about = np.ones_like(labels), answers - labels, labels - labels.mean()
    return {
        "mae": draws.ratio(np.abs(errors), ones),
        "rmse": draws.of_sums(lambda squares, rows: np.sqrt(squares / rows), errors**2, ones),
        "bias": draws.ratio(errors, ones),
        "r2": draws.of_sums(
            lambda squares, total, sums, rows: 1 - squares / (total - sums**2 / rows),
            errors**2, about**2, about, ones,
        ),
        "cost_per_row": draws.ratio(charter.cost(answers, labels), ones),
    }  # fmt: skip
