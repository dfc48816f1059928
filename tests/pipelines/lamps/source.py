"""Reads `lamps.csv` beside it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd


def fetch(start: datetime, end: datetime, known_at: datetime | None = None) -> pd.DataFrame:
    """Lamps in ``[start, end)``; with ``known_at``, without the failures that came back later."""
    types = {"flickers": "Int64", "failed": "boolean"}
    rows = pd.read_csv(
        Path(__file__).with_name("lamps.csv"), dtype=types, parse_dates=["morning", "failed_known_at"]
    )
    if known_at:
        rows.loc[rows["failed_known_at"] > known_at, ["failed", "failed_known_at"]] = None
    return rows[rows["morning"].between(start, end, inclusive="left")]
