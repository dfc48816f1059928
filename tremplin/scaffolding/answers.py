"""When an answer is known: a column of the file says it, or a length of time after the row's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from tremplin.errors import TremplinError
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.reading import Column, Table

Unit = Literal["days", "hours", "minutes", "seconds"]
DEFAULT_AFTER = "1d"
UNITS: dict[str, Unit] = {"d": "days", "h": "hours", "min": "minutes", "s": "seconds"}
LONGEST = pd.Timedelta(days=3650)


@dataclass(frozen=True)
class Known:
    """Since when an answer is known."""

    column: str | None  # contract name of the column that says it
    after: str | None  # or so long after the row's time
    guessed: bool  # nobody said so

    @property
    def code(self) -> str:
        """The length of time, in Python."""
        unit, count = _length(self.after or DEFAULT_AFTER)
        return f"pd.Timedelta({unit}={count})"

    @property
    def words(self) -> str:
        """For a person."""
        return f"in {self.column}" if self.column else f"{self.after} after its row's time"


def known(table: Table, asked: Asked, time: str | None, target: str) -> Known:
    """As asked, or as the file lets one suppose. ``time``: the column of it; None where the file has no times.

    Raises:
        TremplinError: what was asked for cannot be.
    """
    if asked.label_after is not None and asked.label_time is not None:
        raise TremplinError(
            "An answer is known either at --label-time or --label-after a row's time: give one of them."
        )
    if asked.label_after is not None:
        _length(asked.label_after)
        return Known(None, asked.label_after, guessed=False)
    if asked.label_time is not None:
        column = table.named(asked.label_time)
        if column.kind != "time" or column.name == time:
            raise TremplinError(
                f"--label-time {column.original}: it is no column of times, or the time itself."
            )
        if fault := _fault(table, column, time, target):
            raise TremplinError(f"--label-time {column.original}: {fault}.")
        return Known(column.name, None, guessed=False)
    for column in table.columns:
        own = column.name in (time, target) or column.name in table.suspected
        if column.kind == "time" and time and not own and _fault(table, column, time, target) is None:
            return Known(column.name, None, guessed=True)
    return Known(None, DEFAULT_AFTER, guessed=True)


def _length(given: str) -> tuple[Unit, int]:
    """Unit, as ``pandas.Timedelta`` calls it, and how many of it."""
    found = re.fullmatch(r"(\d{1,6}) ?(d|h|min|s)", given.strip())
    if found is None:
        raise TremplinError(f"--label-after {given!r} is no length of time. Write it as 1d, 12h or 30min.")
    unit, count = UNITS[found[2]], int(found[1])
    if pd.Timedelta(count, unit=unit) > LONGEST:
        raise TremplinError(f"--label-after {given!r} is more than ten years.")
    return unit, count


def _fault(table: Table, column: Column, time: str | None, target: str) -> str | None:
    """Why a column of times cannot say when the answer is known."""
    answered = table.raw[target].notna()
    moments = times(table, column)
    if not (moments.notna() == answered).all():
        return "it must be there where the target is, and only there"
    if time and bool((moments < times(table, table.column(time))).any()):
        return "it lies before the row's own time, when nothing could be known"
    return None


def times(table: Table, column: Column) -> pd.Series:
    """A column of times, in UTC."""
    return pd.to_datetime(table.raw[column.name], format=column.form, utc=True)
