"""The numbers of ``pilot.yaml`` that follow from how many rows there are, and how fast they come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd

from tremplin.scaffolding.losses import Losses, losses
from tremplin.scaffolding.source_file import Layout
from tremplin.scaffolding.window import DAY, Window

FEATURE_AUC_LIMIT = 0.85
NOISE = 0.04  # of an AUC, from one part of the rows to another


@dataclass(frozen=True)
class Amounts:
    """As they are written into the file."""

    window_days: int
    evaluation_days: int
    freshness_days: int
    minimum_rows: int
    site_minimum_rows: int
    minimum_outcomes: int
    monitoring_rows: int
    monitoring_site_rows: int
    label_days: int
    rows_per_leaf: int
    feature_auc_limit: float
    feature_auc_reason: str
    losses: Losses
    first_training: date
    until: date


def amounts(cut: Window, names: Layout, calendar: dict[str, float]) -> Amounts:
    """``calendar``: how well parts of the time alone tell the target."""
    labelled = pd.concat([cut.train, cut.evaluation])
    time = labelled[names.time]
    lag = math.ceil((labelled[names.label_time] - time).max() / DAY)
    gap = math.ceil(time.diff().max() / DAY) if len(time) > 1 else 1
    a_day = len(labelled) / cut.days
    first = (cut.as_of - max(cut.days // 3, 1) * DAY).date().replace(day=1)
    best = max(calendar, key=lambda name: calendar[name], default=None)
    limit, reason = FEATURE_AUC_LIMIT, "`tremplin new` suspected a leak above it"
    if best is not None and calendar[best] > limit:
        limit = min(round(calendar[best] + NOISE, 2), 0.99)
        reason = f"{best} alone reaches {calendar[best]:.2f}, and a calendar is no leak; others: {FEATURE_AUC_LIMIT}"
    return Amounts(
        window_days=cut.days,
        evaluation_days=cut.evaluation_days,
        freshness_days=lag + max(7, gap),
        minimum_rows=max(len(labelled) // 2, 1),
        site_minimum_rows=max(len(cut.evaluation) // 10, 100),
        minimum_outcomes=max(min(int(a_day * 7 * 0.1), 300), 30),
        monitoring_rows=max(int(a_day * 30 / 4), 50),
        monitoring_site_rows=max(int(a_day * 30 / 40), 50),
        label_days=lag + 2,
        rows_per_leaf=min(max(len(cut.train) // 200, 5), 200),
        first_training=first,
        until=max(cut.as_of.date(), date(first.year + (first.month == 12), first.month % 12 + 1, 1)),
        feature_auc_limit=limit,
        feature_auc_reason=reason,
        losses=losses(labelled[names.target]),
    )
