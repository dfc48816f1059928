"""Lineage: from one answer back to the release, the run, the code, the rows, the gate and the person behind it.

A link is verified only where a hash was computed again from what it is a hash of, never because two records repeat it; where
there is nothing to compute from it says so. A broken link is named; the links after it are still followed.
"""

from __future__ import annotations

from sqlalchemy.engine import Engine

from governance.lineage.links import Link, Trace
from governance.lineage.records import answered, approved, outcome, released
from governance.lineage.registry import in_registry
from governance.lineage.stored import read_row
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
    found = read_row(engine, predictions, predictions.c.prediction_id == prediction_id)
    if found is None:
        raise TremplinError(
            f"The store has no prediction {prediction_id!r}. Its id is in the answer of /predict."
        )
    prediction, unreadable = found
    named = str(prediction["release_id"])
    try:
        release = open_release(
            settings.releases / named, settings.release_public_key, pilot=prediction["pilot"]
        )
    except (TremplinError, ValueError) as error:  # ValueError: what stands there names no file
        refused = Link(name="release", value=named, verified=False, detail=str(error))
        links = [answered(prediction, unreadable, None), refused]
    else:
        links = [
            answered(prediction, unreadable, release),
            released(prediction, release),
            *in_registry(settings, release),
            approved(engine, release, settings.allowed_signers),
        ]
    return Trace(prediction=prediction_id, links=[*links, outcome(engine, prediction)])
