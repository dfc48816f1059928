"""For whom a release may answer: the groups of rows it was proven on, and those it was not, by name.

Both sides read this page: the gate cuts the evaluation rows into groups, the server finds the group of a request.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tremplin.column import Column, band_names
from tremplin.strict import Strict

MISSING = "(missing)"
UNKNOWN = "(not in the contract)"  # never by its value: what breaks the contract may be anything, a name too


class Excluded(Strict):
    """A group that gets no answer."""

    group: list[str]  # one name for each column of the segment
    rows: int  # of the evaluation
    reason: str


class Segment(Strict):
    """The groups that one or more columns cut the rows into."""

    columns: list[str]
    minimum_rows: int  # of the evaluation; a group that it never saw has too few
    served: list[list[str]]
    excluded: list[Excluded]

    def reasons(self) -> dict[tuple[str, ...], str | None]:
        """For each group that the evaluation saw: why it gets no answer, None where it gets one."""
        served: dict[tuple[str, ...], str | None] = dict.fromkeys(map(tuple, self.served))
        return served | {tuple(left.group): self.said(left.group, left.reason) for left in self.excluded}

    def said(self, group: Sequence[str], reason: str) -> str:
        """The group by name, and the reason: ``carrier OO: 29 rows of evaluation, 200 needed``."""
        named = ", ".join(f"{column} {name}" for column, name in zip(self.columns, group, strict=True))
        return f"{named}: {reason}"

    def unseen(self, group: Sequence[str]) -> str:
        """Why a group that the evaluation never saw gets no answer."""
        return self.said(group, too_few(0, self.minimum_rows))


class Coverage:
    """The segments of a release, ready to be asked about one row after another."""

    def __init__(self, segments: Sequence[Segment], columns: Mapping[str, Column]) -> None:
        self._segments = [
            (segment, [columns[name] for name in segment.columns], segment.reasons()) for segment in segments
        ]

    def excluded(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        """The segment (its columns' names) and the reason why this row gets no answer; None where it gets one."""
        for segment, columns, reasons in self._segments:
            group = tuple(group_of(column, row.get(column.name)) for column in columns)
            reason = reasons[group] if group in reasons else segment.unseen(group)
            if reason is not None:
                return ", ".join(segment.columns), reason
        return None


def too_few(rows: int, needed: int) -> str:
    """The reason of a group with too few rows."""
    return f"{rows:,} rows of evaluation, {needed:,} needed"


def group_of(column: Column, value: Any) -> str:
    """The name of the group that a value belongs to: itself if the contract lists it or lists none, or the band that holds it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if column.logicalType == "boolean":
        return "yes" if value else "no"
    if column.categories is not None and str(value) not in column.categories:
        return UNKNOWN
    if column.bands is None:
        return str(value)
    return band_names(column.bands)[bisect_right(column.bands, value)]
