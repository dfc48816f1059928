"""Deliveries of both pilots, honest and spoiled as sources are, cut in training and evaluation as the stages do; no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from typing import Any

import pandas as pd

from pipelines.gate.material import Material
from pipelines.preparation import prepare
from pipelines.stages import typed
from tests.results import ROOT
from tremplin.comparison import Bootstrap, days_of
from tremplin.pilot import load_pilot

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def delivered(name: str, since: str, until: str, spoil: Spoil = lambda rows: rows) -> Material:
    """What the gate's checks of data would look at, had the source of the pilot ``name`` delivered this; there is no model."""
    pilot = load_pilot(name, ROOT)
    start, end = pd.Timestamp(since, tz="UTC"), pd.Timestamp(until, tz="UTC")
    rows = typed(spoil(_fetched(name, start, end)), pilot.contract)
    known = rows[pilot.contract.label_time] <= end
    rows[pilot.contract.target] = rows[pilot.contract.target].where(known)
    data = pilot.file.data
    days = min(data.evaluation_days, (end - start) // timedelta(days=3))
    parts = prepare(rows, pilot.contract, evaluation_days=days, timezone=data.timezone)
    evaluation = parts.evaluation
    nothing: dict[str, Any] = dict.fromkeys(field.name for field in fields(Material))
    return Material(
        **nothing
        | {
            "pilot": pilot,
            "as_of": end.to_pydatetime(),
            "train": parts.train,
            "evaluation": evaluation,
            "audit": parts.audit.drop(columns=pilot.contract.key),
            "days": days_of(evaluation[pilot.contract.time], data.timezone),
            "how": Bootstrap(
                pilot.file.gate.bootstrap_samples, pilot.file.gate.confidence, pilot.file.model.seed
            ),
        }
    )


@lru_cache(maxsize=4)
def _fetched(name: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    rows: pd.DataFrame = load_pilot(name, ROOT).source.fetch(start, end)
    return rows


def at(rows: pd.DataFrame, site: str | None, since: str, days: int) -> pd.Series:
    """Which rows are of a site of flights (None: of all residents) on these local days."""
    time = rows["scheduled_departure"] if "scheduled_departure" in rows else rows["contact_day"]
    begin = pd.Timestamp(since, tz="America/New_York")
    inside = (time >= begin) & (time < begin + pd.DateOffset(days=days))
    return inside if site is None else inside & (rows["origin"] == site)
