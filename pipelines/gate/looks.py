"""How often the same evaluation days were looked at: with each model that is tried on them, one passes by luck more easily."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import pandas as pd
from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.contract import Contract, Strict
from tremplin.errors import TremplinError
from tremplin.journal import Entry
from tremplin.paths import Paths


class Window(Strict):
    """The stretch of time that the evaluation rows are of."""

    first: datetime  # of the first row
    last: datetime  # of the last one

    @classmethod
    def of(cls, paths: Paths, contract: Contract) -> Self:
        """That of ``evaluation.parquet``.

        Raises:
            TremplinError: it cannot be read, or holds no row.
        """
        path = paths.prepared / "evaluation.parquet"
        try:
            times = pd.read_parquet(path, columns=[contract.time])[contract.time]
            return cls(first=times.min(), last=times.max())
        except (OSError, ValueError) as error:
            raise TremplinError(f"{path} cannot be read: {error}. Run `dvc repro` again.") from error

    def meets(self, other: Window) -> bool:
        """Whether a moment lies in both."""
        return self.first <= other.last and other.first <= self.last


def look_at(engine: Engine, pilot: str, model_hash: str, evaluated: Window) -> int:
    """1 if no other model was judged before on any of the evaluation days, 2 if one was...

    Each verdict in the journal says what days it was given on, so a pilot that is evaluated on other days today counts those
    that it was evaluated on then. Models are counted in the order of their first verdict, so one that is judged again keeps
    its number.
    """
    judged = [
        entry.facts["verdict"]["model_hash"]
        for entry in journal.entries(engine, pilot=pilot, kind="verdict")
        if _meets(entry, evaluated)
    ]
    return list(dict.fromkeys([*judged, model_hash])).index(model_hash) + 1


def _meets(entry: Entry, evaluated: Window) -> bool:
    told = entry.facts.get("evaluated")
    return told is None or Window.model_validate(told).meets(evaluated)  # one that does not say may be any
