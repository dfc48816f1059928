"""Reviews: a person confirms what was answered, or decides otherwise and says why. They are only added; the newest counts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import sqlalchemy as sa
from pydantic import ConfigDict, Field, TypeAdapter
from sqlalchemy.engine import Connection, Engine
from typing_extensions import TypedDict

from serving.feedback.reading import fault, misfit, read_one
from serving.feedback.target_value import target_type, target_words
from serving.problems import Problem
from tremplin.contract import Contract
from tremplin.store import predictions, reviews
from tremplin.target import Task

REASON, COMMENT, NAME = 1000, 4000, 200  # characters
LONGEST = 64 * 1024  # bytes of a body
ATTEMPTS = 20
CONTENT = ("decision", "value", "reason", "rating", "comment")

Text = Annotated[str, Field(strict=True, min_length=1, max_length=REASON, pattern=r"\S")]


class Answered(NamedTuple):
    """What a prediction said."""

    score: float | None
    decision: bool | None


class ReviewReader:
    """Reads reviews of answers to one contract's question."""

    def __init__(self, contract: Contract) -> None:
        value = target_type(contract)
        fields = {
            "prediction_id": Annotated[str, Field(strict=True, max_length=36, description="the answer's own")],
            "decision": Annotated[
                Literal["confirm", "override"], Field(description="whether the person decides as was answered")
            ],
            "value": NotRequired[Annotated[value | None, Field(description="of an override: what the person decided")]],
            "by": NotRequired[
                Annotated[
                    str | None,
                    Field(strict=True, min_length=1, max_length=NAME, pattern=r"\S",
                          description="who decided; of a caller with an identity of its own, that"),
                ]
            ],
            "reason": NotRequired[Annotated[Text | None, Field(description="of an override: why")]],
            "rating": NotRequired[
                Annotated[int | None, Field(strict=True, ge=1, le=5, description="how helpful the answer was, 5 is best")]
            ],
            "comment": NotRequired[Annotated[str | None, Field(strict=True, max_length=COMMENT)]],
        }  # fmt: skip
        make: Any = TypedDict
        review = make("Review", fields)
        review.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
        self.one = TypeAdapter[Any](review)
        self._value_words = target_words(contract)
        self._expected = {
            "prediction_id": "the prediction_id of an answer",
            "decision": "confirm or override",
            "value": f"{self._value_words}, or null",
            "by": f"the name of who decided, of at most {NAME} characters, or null",
            "reason": f"text of 1 to {REASON:,} characters, or null",
            "rating": "a whole number from 1 to 5, or null",
            "comment": f"text of at most {COMMENT:,} characters, or null",
        }

    def read(self, body: bytes, identity: str | None) -> dict[str, Any]:
        """The review of a body; ``by`` is ``identity`` where the caller has one.

        Raises:
            Problem: 400 where it is not JSON, 422 where it does not fit.
        """
        found = dict.fromkeys(self._expected) | read_one(body, self.one, self._expected)
        faults = []
        if found["decision"] == "override":
            if found["value"] is None:
                faults.append(fault(0, "value", None, f"what the person decided: {self._value_words}"))
            if found["reason"] is None:
                faults.append(fault(0, "reason", None, "why the person decided otherwise"))
        elif found["value"] is not None:
            faults.append(
                fault(0, "value", found["value"], "nothing: to confirm is to decide as was answered")
            )
        if found["by"] is None and identity is None:
            faults.append(
                fault(0, "by", None, "the name of who decided: the caller has no identity of its own")
            )
        elif identity is not None and found["by"] not in (None, identity):
            faults.append(fault(0, "by", found["by"], f"nothing, or {identity}, who asks"))
        if faults:
            raise misfit(faults)
        value = None if found["value"] is None else float(found["value"])
        return found | {"by": identity or found["by"], "value": value}


class Reviews:
    """The reviews of one pilot's predictions."""

    def __init__(self, pilot: str, task: Task) -> None:
        self._pilot, self._task = pilot, task

    def add(
        self, engine: Engine, review: dict[str, Any], retry: str | None, now: datetime
    ) -> tuple[int, bool] | None:
        """Add one as ``ReviewReader`` reads it; its number and whether it is new. None: there is no such prediction.

        It is not new where the same person said the same last, or where ``retry`` (an Idempotency-Key) came with it before.

        Raises:
            Problem: 409, there is nothing to confirm, or an override decides what was answered; 422, ``retry`` came with another.
            SQLAlchemyError: the store does not answer; nothing was stored.
        """
        for _attempt in range(ATTEMPTS):
            try:
                with engine.begin() as connection:
                    answered = _answered(connection, self._pilot, review["prediction_id"])
                    if answered is None:
                        return None
                    _refuse_senseless(review, answered, self._task)
                    known = _known(connection, review, retry)
                    if known is not None:
                        return known, False
                    number = _newest(connection, review["prediction_id"]) + 1
                    more = {
                        "pilot": self._pilot,
                        "number": number,
                        "received_at": now,
                        "idempotency_key": retry,
                    }
                    connection.execute(reviews.insert().values({**review, **more}))
                    return number, True
            except sa.exc.IntegrityError:
                continue  # another review of the same prediction took the number
        raise Problem(
            503, "Too many reviews at once", "Others review the same prediction at this moment. Try again."
        )


def _answered(connection: Connection, pilot: str, prediction_id: str) -> Answered | None:
    chosen = sa.and_(predictions.c.prediction_id == prediction_id, predictions.c.pilot == pilot)
    row = connection.execute(sa.select(predictions.c.score, predictions.c.decision).where(chosen)).first()
    return None if row is None else Answered(row.score, row.decision)


def _refuse_senseless(review: dict[str, Any], answered: Answered, task: Task) -> None:
    decided = answered.decision if task is Task.CLASSIFICATION else answered.score
    if review["decision"] == "confirm" and decided is None:
        detail = "Nothing was decided by this answer: send an override with what the person decided."
        raise Problem(409, "There is nothing to confirm", detail)
    if review["decision"] == "override" and review["value"] == decided:
        raise Problem(
            409, "This is what was answered", "The person decided as the answer did: send a confirm."
        )


def _known(connection: Connection, review: dict[str, Any], retry: str | None) -> int | None:
    """The number of the review that this one repeats."""
    own = reviews.c.by == review["by"]
    if retry is not None:
        before = connection.execute(sa.select(reviews).where(own, reviews.c.idempotency_key == retry)).first()
        if before is not None:
            if not _same(before, review):
                detail = "The same Idempotency-Key was sent with another review before; give each its own."
                raise Problem(422, "The Idempotency-Key was used", detail)
            return int(before.number)
    mine = sa.select(reviews).where(own, reviews.c.prediction_id == review["prediction_id"])
    last = connection.execute(mine.order_by(reviews.c.number.desc()).limit(1)).first()
    return int(last.number) if last is not None and _same(last, review) else None


def _same(before: sa.Row[Any], review: dict[str, Any]) -> bool:
    return all(before._mapping[name] == review[name] for name in ("prediction_id", *CONTENT))


def _newest(connection: Connection, prediction_id: str) -> int:
    number = sa.select(sa.func.max(reviews.c.number)).where(reviews.c.prediction_id == prediction_id)
    return int(connection.execute(number).scalar() or 0)
