"""The numbers of ``pilot.yaml`` that follow from how many rows there are, and how fast they come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd

from tremplin.scaffolding.python_files import Layout
from tremplin.scaffolding.roles import Roles

LONGEST_WINDOW = 730  # days: two of each season
ENOUGH_ROWS, ENOUGH_YES, ENOUGH_DAYS = 1000, 100, 14  # what an evaluation should hold
FEATURE_AUC_LIMIT = 0.85
NOISE = 0.04  # of an AUC, from one part of the rows to another


@dataclass(frozen=True)
class Amounts:
    """As they are written into the file."""

    as_of: date  # the midnight (UTC) by which every answer of the file is known
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
    first_training: date
    until: date


def amounts(rows: pd.DataFrame, names: Layout, roles: Roles, calendar: dict[str, float]) -> Amounts:
    """From the rows (in order of time) as the source gives them; ``calendar``: how well its parts tell the target."""
    time, target = rows[names.time], rows[names.target]
    labelled = rows[target.notna()]
    newest = labelled[names.time].max()
    label_after = pd.Timedelta(roles.label_after)
    as_of = (newest + label_after).normalize() + pd.Timedelta(days=1)
    lag = math.ceil(label_after / pd.Timedelta(days=1))
    window = max(min(math.ceil((as_of - time.min()) / pd.Timedelta(days=1)), LONGEST_WINDOW), 2)
    last = labelled[labelled[names.time] >= as_of - pd.Timedelta(days=window)]
    evaluation = _evaluation_days(last[names.time], last[names.target].astype(bool), time.max(), window)
    a_day = len(last) / window
    evaluated = a_day * evaluation
    gap = math.ceil(time.drop_duplicates().diff().max() / pd.Timedelta(days=1)) if time.nunique() > 1 else 1
    played = max(window // 3, 1)
    first = (as_of - pd.Timedelta(days=played)).date().replace(day=1)
    best = max(calendar, key=lambda name: calendar[name], default=None)
    limit, reason = FEATURE_AUC_LIMIT, "`tremplin new` suspected a leak above it"
    if best is not None and calendar[best] + NOISE > limit:
        limit = min(round(calendar[best] + NOISE, 2), 0.99)
        reason = f"{best} alone reaches {calendar[best]:.2f}, and a calendar is no leak; others: {FEATURE_AUC_LIMIT}"
    return Amounts(
        feature_auc_limit=limit,
        feature_auc_reason=reason,
        as_of=as_of.date(),
        window_days=window,
        evaluation_days=evaluation,
        freshness_days=lag + max(7, gap),
        minimum_rows=max(len(last) // 2, 1),
        site_minimum_rows=max(int(evaluated / 10), 100),
        minimum_outcomes=max(min(int(a_day * 7 * 0.1), 300), 30),
        monitoring_rows=max(int(a_day * 30 / 4), 50),
        monitoring_site_rows=max(int(a_day * 30 / 40), 50),
        label_days=lag + 2,
        rows_per_leaf=min(max(len(last) // 200, 5), 200),
        first_training=first,
        until=max(as_of.date(), date(first.year + (first.month == 12), first.month % 12 + 1, 1)),
    )


def _evaluation_days(times: pd.Series, yes: pd.Series, newest: pd.Timestamp, window: int) -> int:
    """The fewest last days that hold enough rows, of either answer, at most a quarter of the window."""
    most = max(window // 4, 1)
    age = (newest.normalize() + pd.Timedelta(days=1) - times).dt.total_seconds() / 86_400
    for days in range(min(ENOUGH_DAYS, most), most):
        inside = age <= days
        positives = int(yes[inside].sum())
        if int(inside.sum()) >= ENOUGH_ROWS and min(positives, int(inside.sum()) - positives) >= ENOUGH_YES:
            return days
    return most
