"""The request model, made from a release's contract: the same types, bounds and categories that the training data passed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, FailFast, Field, TypeAdapter
from pydantic.config import JsonDict
from typing_extensions import TypedDict  # pydantic's own dependency: it needs this one before Python 3.12

from tremplin.column import Column
from tremplin.column_words import WORDS, expected
from tremplin.contract import Contract

__all__ = ["MAX_ROWS", "WORDS", "Row", "batch_adapter", "example", "expected", "row_adapter"]

MAX_ROWS = 5000

Row = dict[str, Any]


def row_adapter(contract: Contract) -> TypeAdapter[Row]:
    """The row that a caller sends: every column of the contract but the target and when it became known.

    No field may be added, NaN is not a value, a missing one is null or left out. It is a dict, for a column may have any
    name: on a pydantic model `json` or `copy` would be a method.
    """
    return TypeAdapter(_row_type(contract))


def batch_adapter(contract: Contract) -> TypeAdapter[dict[str, list[Row]]]:
    """``{"rows": [...]}``; stops at the first row with a fault, so that a bad body costs no more than a good one."""
    limits = FailFast(), Field(min_length=1, max_length=MAX_ROWS)
    rows: Any = Annotated[list[_row_type(contract)], *limits]  # type: ignore[misc]
    return TypeAdapter(_typed_dict("Rows", {"rows": rows}, ConfigDict(extra="forbid")))


def _row_type(contract: Contract) -> Any:
    more: JsonDict = {"examples": [example(contract)]}
    config = ConfigDict(extra="forbid", allow_inf_nan=False, json_schema_extra=more)
    row = _typed_dict("Row", {column.name: _field(column) for column in contract.request_columns}, config)
    row.__doc__ = contract.schema_[0].description
    return row


def _typed_dict(name: str, fields: dict[str, Any], config: ConfigDict) -> Any:
    make: Any = TypedDict  # a type checker knows only those that are written out
    made = make(name, fields)
    made.__pydantic_config__ = config
    return made


def example(contract: Contract) -> dict[str, Any]:
    """A row made of the contract's first examples."""
    return {c.name: _plain(c.examples[0]) for c in contract.request_columns}


def _field(column: Column) -> Any:
    """The type of a column with its bounds, and whether it may be left out."""
    more: JsonDict = {"unit": column.unit} if column.unit else {}
    if column.nullable:
        more["default"] = None
    examples = [_plain(value) for value in column.examples]
    info = Field(description=column.description, examples=examples, json_schema_extra=more)
    kind: Any = Annotated[column.value_type, info]
    return NotRequired[kind] if column.nullable else kind


def _plain(value: Any) -> Any:
    """An example as JSON writes it (YAML reads an unquoted time as a datetime)."""
    return value.isoformat() if isinstance(value, datetime) else value
