"""What an auditor asks of one prediction: what was asked and answered, by which release, what became of it, and why it was so."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, NotRequired

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from serving.answers import AMOUNT
from serving.live_watch import State
from serving.problems import Problem
from serving.releases import Servable, open_servable
from serving.request_model import Row
from tremplin.errors import TremplinError
from tremplin.settings import Settings
from tremplin.store import outcome_receipts, outcomes, predictions, reviews
from tremplin.target import Task

KEPT = 4  # releases beside those that are live; one takes some tens of megabytes


class Outcome(TypedDict):
    """What became true of the key."""

    label: bool | float
    known_at: datetime
    by: str | None  # who sent it; nobody where a flow read it from the source
    received_at: datetime | None


class Review(TypedDict):
    """What a person decided."""

    number: int
    decision: str
    value: bool | float | None
    by: str
    reason: str | None
    rating: int | None
    comment: str | None
    received_at: datetime


class Found(TypedDict):
    """A prediction, and what came of it."""

    prediction_id: str
    pilot: str
    release: str
    cohort: str
    key: str
    subject: str | None
    event_time: datetime
    received_at: datetime
    score: NotRequired[float | None]  # of yes or no
    decision: NotRequired[bool | None]
    value: NotRequired[float | None]  # of an amount
    excluded: str | None
    review: str | None
    traceparent: str | None
    row: dict[str, Any]
    outcome: Outcome | None
    reviews: list[Review]


class Explanation(TypedDict):
    """What each feature did: ``base`` and the contributions sum to the ``margin``, all in ``unit``."""

    unit: str | None
    base: float
    margin: float
    contributions: dict[str, float]


class Explained(TypedDict):
    """The explanation of a prediction that was answered before."""

    prediction_id: str
    release: str
    cohort: str
    explanation: Explanation


def find(engine: Engine, pilot: str, prediction_id: str, task: Task) -> Found | None:
    """All that the store knows of a prediction; None where it knows none. Times are aware."""
    chosen = sa.and_(predictions.c.prediction_id == prediction_id, predictions.c.pilot == pilot)
    with engine.connect() as connection:
        row = connection.execute(sa.select(predictions).where(chosen)).mappings().first()
        if row is None:
            return None
        names = ("prediction_id", "pilot", "cohort", "key", "subject", "event_time", "received_at")
        more = ("excluded", "review", "traceparent", "row")
        said = {"score": row["score"], "decision": row["decision"]}
        found: Any = {
            **{name: row[name] for name in names},
            "release": row["release_id"],
            **(said if task is Task.CLASSIFICATION else {AMOUNT: row["score"]}),
            **{name: row[name] for name in more},
            "outcome": _outcome(connection, pilot, row["key"], row["event_time"], task),
            "reviews": _reviews(connection, prediction_id, task),
        }
    answer: Found = found
    return answer


def _outcome(connection: Connection, pilot: str, key: str, event: datetime, task: Task) -> Outcome | None:
    """The outcome of a key, and who sent it; nobody where a flow read it from the source. None that is older than its event."""
    same = sa.and_(outcome_receipts.c.pilot == outcomes.c.pilot, outcome_receipts.c.key == outcomes.c.key)
    query = (
        sa.select(
            outcomes.c.label, outcomes.c.known_at, outcome_receipts.c.by, outcome_receipts.c.received_at
        )
        .select_from(outcomes.outerjoin(outcome_receipts, same))
        .where(outcomes.c.pilot == pilot, outcomes.c.key == key, outcomes.c.known_at >= event)
    )
    found = connection.execute(query).mappings().first()
    if found is None:
        return None
    told: Any = {**found, "label": _as_said(found["label"], task)}
    outcome: Outcome = told
    return outcome


def _reviews(connection: Connection, prediction_id: str, task: Task) -> list[Review]:
    """The reviews, the newest last: that one counts."""
    names = ("number", "decision", "value", "by", "reason", "rating", "comment", "received_at")
    query = sa.select(*(reviews.c[name] for name in names)).where(reviews.c.prediction_id == prediction_id)
    rows = connection.execute(query.order_by(reviews.c.number)).mappings()
    told: Any = [{**row, "value": _as_said(row["value"], task)} for row in rows]
    found: list[Review] = told
    return found


def _as_said(value: float | None, task: Task) -> bool | float | None:
    return bool(value) if task is Task.CLASSIFICATION and value is not None else value


class AnsweredBy:
    """Opens the release that answered, where it is not live any more; the last few stay open."""

    def __init__(self, settings: Settings) -> None:
        self._folder: Path = settings.releases
        self._key, self._pilot = settings.release_public_key, settings.pilot
        self._open: OrderedDict[str, Servable] = OrderedDict()
        self._lock = Lock()  # a release that several ask for is opened once

    def servable(self, identity: str, state: State | None) -> Servable:
        """The release of that identity.

        Raises:
            Problem: 410, it is not on this server any more, or was altered.
        """
        if state is not None and identity in state.releases:
            return state.releases[identity]
        with self._lock:
            if identity not in self._open:
                try:
                    self._open[identity] = open_servable(self._folder, identity, self._key, self._pilot)
                except TremplinError as error:
                    detail = f"The release that answered cannot be opened here: {error}"
                    raise Problem(410, "The release is gone", detail, release=identity) from None
            self._open.move_to_end(identity)
            while len(self._open) > KEPT:
                self._open.popitem(last=False)
            return self._open[identity]


def explain(servable: Servable, row: Row) -> Explanation:
    """What each feature did to the answer that this release gives to a row.

    Raises:
        Problem: 501, this release's model has no exact contributions.
    """
    found, contract = servable.explain(row), servable.contract
    amount = contract.column(contract.target).unit
    return {
        "unit": "log-odds" if contract.task is Task.CLASSIFICATION else amount,
        "base": found.base,
        "margin": found.margin,
        "contributions": found.by_feature,
    }
