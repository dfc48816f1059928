"""Lineage: from one answer back to the release, the run, the code, the rows, the gate and the person behind it.

A link is verified only where a hash was computed again from what it is a hash of, never because two records repeat it; where
there is nothing to compute from it says so. A broken link is named; the links after it are still followed.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from governance.identity import read_signers
from governance.lineage.links import Link, Trace
from governance.lineage.records import answered, approved, outcome, released
from governance.lineage.registry import in_registry
from tremplin.errors import TremplinError
from tremplin.release import open_release
from tremplin.settings import Settings
from tremplin.store import predictions

__all__ = ["Link", "Trace", "trace"]


def trace(settings: Settings, engine: Engine, prediction_id: str) -> Trace:
    """Follow one answer back.

    Raises:
        TremplinError: there is no such prediction in the store.
    """
    with engine.connect() as connection:
        query = sa.select(predictions).where(predictions.c.prediction_id == prediction_id)
        row = connection.execute(query).mappings().first()
    if row is None:
        raise TremplinError(
            f"The store has no prediction {prediction_id!r}. Its id is in the answer of /predict."
        )
    prediction = dict(row)
    try:
        path = settings.releases / prediction["release_id"]
        release = open_release(path, settings.release_public_key, pilot=prediction["pilot"])
    except TremplinError as error:
        refused = Link(name="release", value=prediction["release_id"], verified=False, detail=str(error))
        links = [answered(prediction, None), refused]
    else:
        links = [
            answered(prediction, release),
            released(prediction, release),
            *in_registry(settings, release),
            approved(engine, release, read_signers(settings.allowed_signers)),
        ]
    return Trace(prediction=prediction_id, links=[*links, outcome(engine, prediction)])
