"""Every answer is in the store before it is sent: what is not logged was not said."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from serving.problems import Problem
from tremplin.store import predictions


def write(engine: Engine, entries: list[dict[str, Any]]) -> None:
    """Write the predictions of one request, all or none.

    Raises:
        Problem: 503, the store cannot be written; nothing of the request was logged.
    """
    try:
        with engine.begin() as connection:
            connection.execute(predictions.insert(), entries)
    except SQLAlchemyError as error:
        raise Problem(
            503,
            "The answer cannot be logged",
            f"No prediction was made: the store cannot be written ({type(error.__cause__ or error).__name__}). "
            "Try again; if it lasts, see whether the database is down, full or locked.",
        ) from error
