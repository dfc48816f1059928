"""The request model, made from a release's contract: the same types, bounds and categories that the training data passed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, Field, Strict, create_model

from tremplin.contract import Column, Contract, Role

MAX_ROWS = 5000
STORED = 128  # characters that the store keeps of a key or a subject
FLOAT32 = float(np.finfo(np.float32).max)  # the model sees float32; beyond it a number would become infinite
EARLIEST, LATEST = (
    datetime(1700, 1, 1, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
)  # what analysis in nanoseconds can hold

KINDS: dict[str, tuple[Any, str]] = {
    "string": (str, "text"),
    "number": (float, "a number"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "timestamp": (AwareDatetime, "a time of the years 1700 to 2199 with its zone, as 2013-07-01T10:15:00Z"),
}


def request_model(contract: Contract) -> type[BaseModel]:
    """The row that a caller sends: every column of the contract but the target and when it became known.

    Nothing is guessed: no field may be added, text is not read as a number, true is not 1, NaN is not a value
    (a missing one is null or left out), and a time says its zone.
    """
    fields: dict[str, Any] = {column.name: _field(column) for column in contract.request_columns}
    return create_model(
        "Row",
        __config__=ConfigDict(
            extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [example(contract)]}
        ),
        __doc__=contract.schema_[0].description,
        **fields,
    )


def batch_model(row: type[BaseModel]) -> type[BaseModel]:
    """``{"rows": [...]}``; stops at the first row with a fault, so that a bad body costs no more than a good one."""
    rows = Annotated[list[row], FailFast(), Field(min_length=1, max_length=MAX_ROWS)]  # type: ignore[valid-type]
    return create_model("Rows", __config__=ConfigDict(extra="forbid"), rows=(rows, ...))


def example(contract: Contract) -> dict[str, Any]:
    """A row made of the contract's first examples."""
    return {c.name: _plain(c.examples[0]) for c in contract.request_columns}


def expected(column: Column) -> str:
    """What the contract asks of a column, in words."""
    if column.categories is not None:
        words = f"one of {', '.join(column.categories)}"
    else:
        low, high = column.logicalTypeOptions.minimum, column.logicalTypeOptions.maximum
        words = KINDS[column.logicalType][1] + _between(low, high, "from")
        words += f" ({column.unit})" if column.unit else ""
        lengths = _between(*_lengths(column), "of") if column.logicalType == "string" else ""
        words += f"{lengths} characters" if lengths else ""
        if column.logicalTypeOptions.pattern:
            words += f" that fits {column.logicalTypeOptions.pattern}"
    return words if _required(column) else f"{words}, or null"


def _field(column: Column) -> tuple[Any, Any]:
    """The type of a column with its bounds, and whether it may be left out."""
    bounds = column.logicalTypeOptions
    kind: Any = KINDS[column.logicalType][0]
    if column.categories is not None:
        kind = Literal[tuple(column.categories)]
    elif column.logicalType == "string":
        shortest, longest = _lengths(column)
        kind = Annotated[
            str, Strict(), Field(min_length=shortest, max_length=longest, pattern=bounds.pattern)
        ]
    elif column.logicalType in ("number", "integer"):
        low = bounds.minimum if bounds.minimum is not None else -FLOAT32
        high = bounds.maximum if bounds.maximum is not None else FLOAT32
        kind = Annotated[kind, Strict(), Field(ge=low, le=high)]
    elif column.logicalType == "timestamp":
        kind = Annotated[kind, Strict(), Field(ge=EARLIEST, le=LATEST)]
    else:
        kind = Annotated[kind, Strict()]
    info: dict[str, Any] = {
        "description": column.description,
        "examples": [_plain(value) for value in column.examples],
        "json_schema_extra": {"unit": column.unit} if column.unit else None,
    }
    return (kind, Field(**info)) if _required(column) else (kind | None, Field(default=None, **info))


def _required(column: Column) -> bool:
    """A prediction is joined by its key and cut by its time, whatever else the contract says of them."""
    return column.required or bool({Role.KEY, Role.TIME} & set(column.tags))


def _between(low: float | None, high: float | None, word: str) -> str:
    """Bounds in words; "" where there are none."""
    if low is not None and high is not None:
        return f" of {low:g}" if low == high else f" {word} {low:g} to {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""


def _lengths(column: Column) -> tuple[int | None, int | None]:
    """Bounds of a text's length; a key or subject is never longer than the store keeps."""
    longest = column.logicalTypeOptions.maxLength
    if {Role.KEY, Role.SUBJECT} & set(column.tags) and column.logicalType == "string":
        longest = min(longest or STORED, STORED)
    return column.logicalTypeOptions.minLength, longest


def _plain(value: Any) -> Any:
    """An example as JSON writes it (YAML reads an unquoted time as a datetime)."""
    return value.isoformat() if isinstance(value, datetime) else value
