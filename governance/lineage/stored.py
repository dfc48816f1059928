"""A row of the store as it is today, whatever somebody wrote into it: what cannot be read is named, and the rest is read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Engine

from tremplin.store import UtcDateTime

UNREADABLE = (
    ValueError,
    TypeError,
    RecursionError,
)  # what drivers and SQLAlchemy raise of a value that is no such type
SCALAR = bool | int | float | str | None  # what a request's row is made of


def read_row(
    engine: Engine, table: sa.Table, *where: sa.ColumnElement[bool]
) -> tuple[dict[str, Any], list[str]] | None:
    """The columns of the first row by name, and the names of those that hold nothing of their type, which are None here.

    None where there is no such row.
    """
    found: dict[str, Any] = {}
    unreadable = []
    with engine.connect() as connection:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).where(*where)).first() is None:
            return None
        for column in table.c:  # one at a time: a value that cannot be read would take the others with it
            try:
                value = connection.execute(sa.select(column).where(*where)).scalar()
                found[column.name] = _of(column).validate_python(value, strict=True)
            except UNREADABLE:
                found[column.name] = None
                unreadable.append(column.name)
    return found, unreadable


def _of(column: sa.Column[Any]) -> TypeAdapter[Any]:
    kind: Any
    if isinstance(column.type, UtcDateTime):
        kind = datetime
    elif isinstance(column.type, sa.JSON):
        kind = dict[str, SCALAR]
    else:
        kind = column.type.python_type
    return TypeAdapter(kind | None if column.nullable else kind)
