"""Outcomes that cannot be: what is said to have been known before the event itself. They must not keep a true one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tremplin.journal import BY_MACHINE
from tremplin.store import insert_new, outcome_receipts, outcomes, outcomes_set_aside, predictions


def event_times(connection: Connection, pilot: str, keys: Sequence[str]) -> dict[str, datetime]:
    """When the events took place that the store has predictions of, by key; the earliest where it has several."""
    time = sa.func.min(predictions.c.event_time)
    chosen = sa.and_(predictions.c.pilot == pilot, predictions.c.key.in_(keys))
    rows = connection.execute(
        sa.select(predictions.c.key, time.label("time")).where(chosen).group_by(predictions.c.key)
    )
    return {row.key: row.time for row in rows}


def set_impossible_aside(
    connection: Connection, pilot: str, events: Mapping[str, datetime], now: datetime
) -> int:
    """Set the outcomes aside that are older than their event, so that another can take their place; how many.

    Args:
        events: the keys to look at, each with the time of its event; an outcome may have come before its prediction did.
    """
    same = sa.and_(outcome_receipts.c.pilot == outcomes.c.pilot, outcome_receipts.c.key == outcomes.c.key)
    query = sa.select(
        outcomes.c.key, outcomes.c.label, outcomes.c.known_at, outcome_receipts.c.by
    ).select_from(outcomes.outerjoin(outcome_receipts, same))
    found = connection.execute(query.where(outcomes.c.pilot == pilot, outcomes.c.key.in_(events))).all()
    aside = [
        {
            "pilot": pilot,
            "key": one.key,
            "label": one.label,
            "by": one.by or BY_MACHINE,  # a flow read it from the source
            "known_at": one.known_at,
            "received_at": now,
            "reason": f"it cannot have been known before the event, which was at {events[one.key].isoformat()}",
        }
        for one in found
        if one.known_at < events[one.key]
    ]
    insert_new(connection, outcomes_set_aside, aside)
    for one in aside:
        mine = (outcomes.c.pilot == pilot, outcomes.c.key == one["key"])
        if connection.execute(
            sa.delete(outcomes).where(*mine, outcomes.c.known_at == one["known_at"])
        ).rowcount:
            connection.execute(
                sa.delete(outcome_receipts).where(
                    outcome_receipts.c.pilot == pilot, outcome_receipts.c.key == one["key"]
                )
            )
    return len(aside)
