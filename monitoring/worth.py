"""What a rule for retraining was worth on a history: paired with never retraining, on the same rows.

Days in a row resemble each other (in `flights` the differences of a day and the next correlate by .2 to .4), so whole weeks are
drawn: a block bootstrap (Künsch 1989, Annals of Statistics 17(3)). Rules that are compared share the error (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from monitoring.playing import History, Played
from tremplin.comparison import Bootstrap, Estimate, Floats, PairsByBlock, areas, days_of, mean_difference
from tremplin.pilot import Pilot

WEEK = 7


@dataclass(frozen=True)
class Worth:
    """Quality and cost over a history, and how much of them is gained over never retraining (more is better)."""

    retrainings: list[str]
    brier: float
    roc_auc: float
    cost_per_row: float  # in the charter's currency
    brier_gain: Estimate
    auc_gain: Estimate
    cost_gain: Estimate  # of each row
    saved: Estimate  # of all rows
    brier_by_month: dict[str, float]


def worth(history: History, played: Played, unchanged: Played, *, rules: int) -> Worth:
    """Compare with ``unchanged``, which never retrained.

    Args:
        rules: how many are compared with it, each by an interval of its own.
    """
    pilot, rows = history.pilot, history.rows.iloc[history.between(history.start, history.end)]
    labelled = rows[pilot.contract.target].notna().to_numpy()
    rows, ours, theirs = rows[labelled], played.scores[labelled], unchanged.scores[labelled]
    labels = rows[pilot.contract.target].to_numpy("float64")
    weeks = days_of(rows[pilot.contract.time], pilot.file.data.timezone) // WEEK
    gate = pilot.file.gate
    how = Bootstrap(gate.bootstrap_samples, 1 - (1 - gate.confidence) / rules, pilot.file.model.seed)
    cost, cost_before = (charged(scores, labels, pilot) for scores in (ours, theirs))
    brier, brier_before = (ours - labels) ** 2, (theirs - labels) ** 2
    cost_gain = mean_difference(cost_before, cost, weeks, how)
    pairs, pairs_before = (
        PairsByBlock.of(labels, scores, weeks, int(weeks.max()) + 1) for scores in (ours, theirs)
    )
    whole, drawn = np.ones((1, int(weeks.max()) + 1)), how.weights(int(weeks.max()) + 1)
    low, high = how.interval(areas(pairs, drawn) - areas(pairs_before, drawn))
    area, area_before = float(areas(pairs, whole)[0]), float(areas(pairs_before, whole)[0])
    months = rows[pilot.contract.time].dt.tz_convert(pilot.file.data.timezone).dt.strftime("%Y-%m")
    return Worth(
        retrainings=[f"{moment:%Y-%m-%d}" for moment in played.retrainings],
        brier=float(brier.mean()),
        roc_auc=area,
        cost_per_row=float(cost.mean()),
        brier_gain=mean_difference(brier_before, brier, weeks, how),
        auc_gain=Estimate(area - area_before, low, high),
        cost_gain=cost_gain,
        saved=Estimate(*(value * len(rows) for value in (cost_gain.value, cost_gain.low, cost_gain.high))),
        brier_by_month={
            str(month): float(mean)
            for month, mean in pd.Series(brier).groupby(months.to_numpy()).mean().items()
        },
    )


def charged(scores: Floats, labels: Floats, pilot: Pilot) -> Floats:
    """What each answer cost, shape (n,), by the charter's costs."""
    return pilot.charter.cost(scores, labels)
