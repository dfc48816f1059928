"""How often the same evaluation days were looked at: with each model that is tried on them, one passes by luck more easily."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.pilot import Pilot


def look_at(engine: Engine, pilot: Pilot, model_hash: str, as_of: datetime) -> int:
    """1 if no other model was judged before on any of the evaluation days that end at ``as_of``, 2 if one was...

    Models are counted in the order of their first verdict in the journal, so one that is judged again keeps its number.
    """
    overlap = timedelta(days=pilot.file.data.evaluation_days)
    judged = [
        entry.facts["verdict"]["model_hash"]
        for entry in journal.entries(engine, pilot=pilot.name, kind="verdict")
        if abs(entry.as_of - as_of) < overlap
    ]
    return list(dict.fromkeys([*judged, model_hash])).index(model_hash) + 1
