"""Reads `lamps.csv` beside it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd


def fetch(start: datetime, end: datetime) -> pd.DataFrame:
    """Lamps in ``[start, end)``."""
    types = {"flickers": "Int64", "failed": "boolean"}
    rows = pd.read_csv(
        Path(__file__).with_name("lamps.csv"), dtype=types, parse_dates=["morning", "failed_known_at"]
    )
    return rows[rows["morning"].between(start, end, inclusive="left")]
