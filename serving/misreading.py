"""What callers send by one contract, read by a model that was trained with another.

A column means the same in both (``tremplin.interchange``). What a contract accepts may become narrower from one model to the
next: a single row that only the older one accepts is then left to the older model.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from tremplin.column import Column


class Reader:
    """Which rows that one contract accepts another accepts, too."""

    def __init__(self, sent: list[Column], read: list[Column]) -> None:
        """``sent`` and ``read`` are the same columns, in the same order, by either contract."""
        self._takes = {
            ours.name: SchemaValidator(TypeAdapter(ours.value_type).core_schema).isinstance_python
            for theirs, ours in zip(sent, read, strict=True)
            if _values(theirs) != _values(ours)
        }

    def reads(self, row: dict[str, Any]) -> bool:
        """Whether each value of a validated row is one that the reader's contract has, too."""
        return all(takes(row[name]) for name, takes in self._takes.items())


def _values(column: Column) -> tuple[Any, ...]:
    """Everything that decides which values a column accepts."""
    return column.nullable, column.categories, column.logicalTypeOptions
