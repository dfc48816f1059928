"""Outcomes that callers bring: what became true of a key, and when that was known.

Predictions and outcomes are joined on the key when they are measured, so an outcome is taken whether or not there is a prediction
of its key yet: an answer may still be on its way to the store, and a flow that reads outcomes from the source takes all, too. The
first outcome of a key counts. The same again changes nothing; another label is set aside, for a person to look at. One that was
known before its event cannot be: it is refused where the prediction is there, and gives way where that came later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, Field, TypeAdapter
from sqlalchemy.engine import Connection, Engine
from typing_extensions import TypedDict

from serving.feedback.reading import fault, misfit, read_many, read_one
from serving.feedback.target_value import target_type, target_words
from serving.request_body import MAX_FAULTS
from serving.request_model import MAX_ROWS, WORDS, expected
from tremplin.column import EARLIEST, LATEST
from tremplin.contract import Contract
from tremplin.outcomes import event_times, set_impossible_aside
from tremplin.store import insert_new, outcome_receipts, outcomes, outcomes_set_aside

LEEWAY = timedelta(minutes=5)  # by which the clock of who sends may be ahead
MANY = "outcomes"


class OutcomeCounts(BaseModel):
    """What came of the outcomes of one request."""

    new: int
    known: int = Field(description="the same label was there")
    set_aside: int = Field(description="another label was there, and stays")
    unpredicted: int = Field(
        description="of the new ones: there is no prediction of that key in the store yet"
    )


class OutcomeReader:
    """Reads outcomes by one contract."""

    def __init__(self, contract: Contract) -> None:
        key = contract.column(contract.key)
        about = Field(description="the row's key, as it was sent to /predict")
        moment = Field(
            strict=True, ge=EARLIEST, le=LATEST, description="when it became known; with its time zone"
        )
        fields = {
            "key": Annotated[key.value_type, about],
            "label": target_type(contract),
            "known_at": Annotated[AwareDatetime, moment],
        }
        make: Any = TypedDict  # a type checker knows only those that are written out
        outcome = make("Outcome", fields)
        outcome.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
        self.one = TypeAdapter[Any](outcome)
        listed = Annotated[list[outcome], FailFast(), Field(min_length=1, max_length=MAX_ROWS)]  # type: ignore[valid-type]
        several = make("Outcomes", {MANY: listed})
        several.__pydantic_config__ = ConfigDict(extra="forbid")
        self._many = TypeAdapter[Any](several)
        self._expected = {
            "key": expected(key),
            "label": target_words(contract),
            "known_at": WORDS["timestamp"],
        }

    def read(self, body: bytes, now: datetime) -> list[dict[str, Any]]:
        """The outcomes of a body of one, or of many: ``key`` as text, ``label`` as a number, ``known_at`` aware.

        Raises:
            Problem: 400 where it is not JSON, 422 where it does not fit, or was known after ``now``.
        """
        if _is_many(body):
            found = read_many(body, MANY, self._many, self.one, self._expected)
        else:
            found = [read_one(body, self.one, self._expected)]
        late = [
            fault(
                index,
                "known_at",
                one["known_at"],
                f"a time that has been; here it is {now:%Y-%m-%dT%H:%M:%SZ}",
            )
            for index, one in enumerate(found)
            if one["known_at"] > now + LEEWAY
        ]
        if late:
            raise misfit(late[:MAX_FAULTS])
        return [
            {
                "key": str(one["key"]),
                "label": float(one["label"]),
                "known_at": one["known_at"].astimezone(UTC),
            }
            for one in found
        ]


def _is_many(body: bytes) -> bool:
    """Whether the body's first name is that of the list; one outcome has no field of that name."""
    start = body.lstrip(b" \t\n\r")[:1024].replace(b" ", b"").replace(b"\n", b"").replace(b"\t", b"")
    return start.replace(b"\r", b"").startswith(b'{"outcomes":')


def record(
    engine: Engine, pilot: str, found: Sequence[dict[str, Any]], by: str, now: datetime
) -> OutcomeCounts:
    """Store outcomes in one transaction: all of the request, or nothing.

    Args:
        found: as ``OutcomeReader.read`` gives them.
        by: the identity of who sent them.

    Raises:
        Problem: 422, one was known before the event of its prediction.
        SQLAlchemyError: the store does not answer; nothing was stored.
    """
    first: dict[str, dict[str, Any]] = {}
    for one in found:
        first.setdefault(one["key"], one)
    keys = sorted(first)  # two requests that share keys wait for each other in one order
    with engine.begin() as connection:
        events = event_times(connection, pilot, keys)
        _refuse_early(found, events)
        set_impossible_aside(connection, pilot, events, now)
        rows = [{"pilot": pilot, **first[key]} for key in keys]
        new = {key for _, key in insert_new(connection, outcomes, rows)}
        labels = _labels(connection, pilot, keys)
        receipts = [{"pilot": pilot, "key": key, "by": by, "received_at": now} for key in keys if key in new]
        insert_new(connection, outcome_receipts, receipts)
        differing = [one for one in found if one["label"] != labels[one["key"]]]
        aside = [
            {
                "pilot": pilot,
                **one,
                "by": by,
                "received_at": now,
                "reason": f"the outcome of this key is {labels[one['key']]:g}, and has been measured by",
            }
            for one in differing
        ]
        insert_new(connection, outcomes_set_aside, aside)
    return OutcomeCounts(
        new=len(new),
        known=len(found) - len(differing) - len(new),
        set_aside=len(differing),
        unpredicted=len(new - events.keys()),
    )


def _labels(connection: Connection, pilot: str, keys: list[str]) -> dict[str, float]:
    chosen = sa.and_(outcomes.c.pilot == pilot, outcomes.c.key.in_(keys))
    return {
        row.key: row.label
        for row in connection.execute(sa.select(outcomes.c.key, outcomes.c.label).where(chosen))
    }


def _refuse_early(found: Sequence[dict[str, Any]], events: dict[str, datetime]) -> None:
    early = [
        fault(
            index,
            "known_at",
            one["known_at"],
            f"not before the event, which was at {events[one['key']].isoformat()}",
        )
        for index, one in enumerate(found)
        if one["key"] in events and one["known_at"] < events[one["key"]]
    ]
    if early:
        raise misfit(early[:MAX_FAULTS])
