"""From payloads to the table ``predictions``; a row that the database never takes is told from a database in trouble."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from tremplin.store import UtcDateTime, insert_once, predictions

Row = dict[str, Any]
Refused = list[tuple[Row, Exception]]

TIMES = tuple(column.name for column in predictions.columns if isinstance(column.type, UtcDateTime))
EMPTY: Row = dict.fromkeys(predictions.columns.keys())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOUND: Row = EMPTY | dict.fromkeys(("prediction_id", "pilot", "release_id", "cohort", "key"), "sound")
SOUND |= {"event_time": EPOCH, "received_at": EPOCH, "row": {}}
# What drivers raise for a value comes as SQLAlchemy's error or as Python's own (a number too large, a text that is no UTF-8).
FAULTS = (SQLAlchemyError, ValueError, TypeError, OverflowError)


def rows_of(payload: bytes) -> list[Row]:
    """The rows of a payload: a JSON list of objects with the columns of the table; a column that it lacks is null.

    Raises:
        ValueError: it is something else.
    """
    rows = from_json(payload)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no list of rows")
    for row in rows:
        if unknown := row.keys() - EMPTY.keys():
            raise ValueError(f"no such columns: {', '.join(sorted(unknown))}")
        for name in TIMES:
            moment = row.get(name)
            row[name] = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return [row if len(row) == len(EMPTY) else EMPTY | row for row in rows]


def load(engine: Engine, rows: list[Row]) -> tuple[int, Refused]:
    """Insert each row once; how many were new, and those that the database refuses though it takes others.

    Raises:
        Exception: the database itself is in trouble; some of the rows may be in it.
    """
    for last_attempt in (False, True):
        try:
            return insert_once(engine, predictions, rows), []
        except FAULTS as error:
            _require_sound(engine)
            if len(rows) > 1:
                middle = len(rows) // 2
                new, refused = load(engine, rows[:middle])
                more_new, more_refused = load(engine, rows[middle:])
                return new + more_new, refused + more_refused
            if last_attempt:
                return 0, [(rows[0], error)]
    raise AssertionError("two attempts were made")


def _require_sound(engine: Engine) -> None:
    """Raise what the database says to a row that nothing is wrong with."""
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(sa.insert(predictions), SOUND)
        transaction.rollback()
