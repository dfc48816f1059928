"""Bounds of a column from the values that were seen, with room for those that were not."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

CLOSED = 30  # different values of a text that may be a closed list
OFTEN = 20  # rows for each of them, on average
FLOAT32 = 3.4e38  # what the model can hold
STORED = 128  # characters that the store keeps of a key or a subject
CALENDAR = {"hour": (0, 23), "weekday": (0, 6), "month": (1, 12)}
RARE, WIDER = 0.001, 3  # at either end; how many times as wide they may make a range
ROOM = (
    "Numbers: what was seen, with half of its span as room on either side, rounded outwards; not below 0 where nothing was. "
    "Shares: 0 to 1. Text: twice the length that was seen."
)


def of_number(values: pd.Series, *, whole: bool, beyond: float = 0.5) -> dict[str, Any]:
    """``minimum`` and ``maximum`` of numbers; ``ROOM`` says by which rule, ``beyond`` which share of the span is added."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1 and not whole:
        return {"minimum": 0, "maximum": 1}
    room = beyond * (high - low) or max(abs(high) / 2, 1.0)
    least = 0.0 if low >= 0 else max(_outwards(low - room, up=False, whole=whole), -FLOAT32)
    return {
        "minimum": _plain(least),
        "maximum": _plain(min(_outwards(high + room, up=True, whole=whole), FLOAT32)),
    }


def of_target(values: pd.Series) -> dict[str, Any]:
    """Of an amount to predict, with a tenth of its span as room: its errors are judged as a share of this range, and the wider
    it is, the longer it takes to tell two models apart."""
    return of_number(values, whole=pd.api.types.is_integer_dtype(values.dtype), beyond=0.1)


def stretched(values: pd.Series) -> str:
    """Whether two values of a thousand make the range much wider, in words; "" where they do not."""
    low, high = values.astype("float64").quantile([RARE, 1 - RARE])
    times = float(values.max() - values.min()) / (high - low) if high > low else 1.0
    if times < WIDER:
        return ""
    return (
        f", all but two of a thousand from {low:.6g} to {high:.6g}; changeme: if the others are errors, or do not matter, clip "
        "them in the file and make the pilot again, for its limits follow from the range"
    )


def of_text(values: pd.Series, *, stored: bool) -> dict[str, Any]:
    """``maxLength`` of text; ``stored``: of a key or a subject."""
    length = max(2 * int(values.str.len().max()), 1)
    return {"maxLength": min(length, STORED) if stored else length}


def closed_list(values: pd.Series) -> list[str] | None:
    """The values of a text, where they are few, often, and the last quarter of the rows brought no new one."""
    counts = values.value_counts()
    if len(counts) > CLOSED or len(values) < OFTEN * len(counts):
        return None
    earlier = set(values.iloc[: len(values) * 3 // 4])
    return sorted(counts.index) if earlier >= set(counts.index) else None


def _outwards(value: float, *, up: bool, whole: bool) -> float:
    """Rounded away from what was seen, to two digits; ``whole``: to a whole number."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    step = max(step, 1.0) if whole else step
    return float(f"{(math.ceil if up else math.floor)(value / step) * step:.12g}")


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
