"""A prediction that was answered is in the store soon after, not at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.engine import Engine

from serving.feedback.parts import ANYWHERE, PROBLEM, Parts
from serving.feedback.store_door import StoreDoor
from serving.problems import Problem

T = TypeVar("T")

RECENT = 60.0  # seconds in which another server's answers reach the store, however its clock differs
POSSIBLE = re.compile(r"[0-9a-f-]{1,36}")  # Postgres refuses a question that holds U+0000

UNKNOWN: dict[int | str, dict[str, Any]] = {
    **ANYWHERE,
    404: {"description": "There is no such prediction", **PROBLEM},
    503: {"description": "The store does not answer, or not all has reached it; try again", **PROBLEM},
}


async def known(parts: Parts, door: StoreDoor, prediction_id: str, work: Callable[[Engine], T | None]) -> T:
    """What ``work`` finds of a prediction.

    Raises:
        Problem: 404, there is none; 503, the store does not answer, or the prediction may still be on its way to it.
    """
    possible = POSSIBLE.fullmatch(prediction_id) is not None
    found = await door.run(work) if possible else None
    if possible and found is None:
        settled = await parts.settle()
        found = await door.run(work)
        if found is None and not settled:
            raise Problem(503, "Not yet known", "Answers are on their way to the store. Try again.")
        if found is None and _recent(prediction_id):
            detail = (
                "The store has no such prediction yet. By its id it was answered within the last minute, perhaps by "
                "another server, and may be on its way. Try again."
            )
            raise Problem(503, "Not yet known", detail)
    if found is None:
        detail = f"No prediction of this pilot has the id {prediction_id[:100]!r}."
        raise Problem(404, "There is no such prediction", detail)
    return found


def _recent(prediction_id: str) -> bool:
    """Whether the id was made about now: its first 48 bits are milliseconds since 1970 (RFC 9562, UUID version 7)."""
    try:
        identity = UUID(prediction_id)
    except ValueError:
        return False
    return (
        identity.version == 7
        and identity.hex == prediction_id
        and abs(time.time() - (identity.int >> 80) / 1000) < RECENT
    )
