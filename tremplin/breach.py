"""What a breach of the contract is called, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from tremplin.column import EARLIEST, LATEST, Column

EXAMPLES = 3

EXPECTED = {
    "string": "text",
    "number": "numbers",
    "integer": "whole numbers",
    "boolean": "true or false",
    "timestamp": "times with the time zone UTC",
}


@dataclass(frozen=True)
class Breach:
    """One way in which one column is not what the contract says."""

    column: str
    check: str  # type, range, length, pattern, category, missing, missing values, duplicate key, column missing, column too many
    count: int  # rows
    examples: tuple[str, ...]  # up to three different values; none of a column that is personal or special
    advice: str  # what to do

    def without_examples(self) -> Breach:
        """The same without a value of a row, for a record that is never erased."""
        return replace(self, examples=())

    def __str__(self) -> str:
        shown = f", for example {', '.join(self.examples)}" if self.examples else ""
        rows = "1 row" if self.count == 1 else f"{self.count:,} rows"
        return f"{self.column}: {self.check} in {rows}{shown}. {self.advice}"


def breach_of(column: Column, check: str, count: int, cases: list[Any]) -> Breach:
    """The breach of a column that the contract describes; ``cases`` broke it, and are told unless they are people's."""
    if column.of_people:
        return Breach(column.name, check, count, (), _advice(column, check))
    examples = dict.fromkeys(
        repr(case) for case in cases if pd.isna(case) is not True
    )  # of a list it is an array
    return Breach(column.name, check, count, tuple(examples)[:EXAMPLES], _advice(column, check))


def undescribed(name: str, count: int) -> Breach:
    """The breach of a column that the contract knows nothing of."""
    return Breach(name, "column too many", count, (), f"Describe {name} in contract.yaml or stop sending it.")


def _reason(column: Column) -> str:
    """Why the contract asks for it, as one sentence; empty where it does not ask."""
    return "" if column.completeness is None else f"{column.completeness.description.strip().rstrip('.')}."


def _advice(column: Column, check: str) -> str:
    bounds = column.logicalTypeOptions
    unit = f" {column.unit}" if column.unit else ""
    low, high = column.limits
    within = (
        f"times of the years {EARLIEST.year} to {LATEST.year - 1}"
        if column.logicalType == "timestamp"
        else f"numbers from {low:g} to {high:g}{unit}"
    )
    expected = {
        "type": f"Send {EXPECTED[column.logicalType]}.",
        "range": f"Send {within}.",
        "length": f"Send {column.lengths[0] or 0} to {column.lengths[1] or 'any number of'} characters.",
        "pattern": f"Send text of the form {bounds.pattern}.",
        "category": f"Send one of {', '.join(column.categories or [])}.",
        "missing": "Fill it: the contract requires it.",
        "missing values": f"The contract allows {column.completeness}: {_reason(column)} Bring the delivery again.",
        "duplicate key": "Send each row once: the value names a row for good.",
        "column missing": f"Send it ({EXPECTED[column.logicalType]}: {column.description.rstrip('.')}).",
    }[check]
    widen = " If the new values are right, change contract.yaml first."
    return expected + (widen if check in ("range", "length", "pattern", "category", "missing values") else "")
