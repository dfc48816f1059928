"""``POST /outcomes`` and ``POST /reviews``."""

# No `from __future__ import annotations`: FastAPI must see the door of this application in them, not its name.
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, Field

from serving.access.admission import require
from serving.access.roles import Caller, Role
from serving.feedback import outcomes, reviews
from serving.feedback.known import UNKNOWN, known
from serving.feedback.outcomes import OutcomeCounts, OutcomeReader
from serving.feedback.parts import ANYWHERE, PROBLEM, Parts, json_answer
from serving.feedback.reading import json_body
from serving.feedback.reviews import ReviewReader
from serving.feedback.store_door import StoreDoor
from serving.problems import Problem
from serving.releases import Servable

REFUSALS: dict[int | str, dict[str, Any]] = {
    **ANYWHERE,
    400: {"description": "The body is not JSON", **PROBLEM},
    413: {"description": "The body is too long", **PROBLEM},
    415: {"description": "The body is not said to be application/json", **PROBLEM},
    422: {"description": "`errors` names row, field, what was got and what is expected", **PROBLEM},
    503: UNKNOWN[503],
}


class Reviewed(BaseModel):
    """What came of a review."""

    prediction_id: str
    number: int = Field(description="among the reviews of the prediction: 1 is the first, the highest counts")
    new: bool = Field(description="false where it repeats one that was there")


def sending_routes(parts: Parts, door: StoreDoor) -> APIRouter:
    """The two routes."""
    router = APIRouter(tags=["feedback"])
    pilot = parts.settings.pilot
    readers: dict[str, tuple[OutcomeReader, ReviewReader]] = {}

    def reading(champion: Servable) -> tuple[OutcomeReader, ReviewReader]:
        if champion.id not in readers:
            readers.clear()  # of what was live before
            readers[champion.id] = OutcomeReader(champion.contract), ReviewReader(champion.contract)
        return readers[champion.id]

    @router.post(
        "/outcomes",
        response_model=OutcomeCounts,
        responses=REFUSALS,
        summary="Say what became true, once or for many",
    )
    async def post_outcomes(
        request: Request, caller: Annotated[Caller, Depends(require(parts.access, Role.OUTCOME))]
    ) -> Response:
        """All outcomes of a body are taken, or none. The first outcome of a key counts: the same again changes nothing, and one
        that contradicts it is set aside for a person to look at. There need not be a prediction of the key.
        """
        body = await json_body(request)
        now = datetime.now(UTC)
        found = reading(parts.state.champion)[0].read(body, now)
        await parts.access.charge(caller, len(found))
        await (
            parts.settle()
        )  # an outcome is held against its prediction, which may have been answered just now
        return json_answer(
            await door.run(lambda engine: outcomes.record(engine, pilot, found, caller.identity, now))
        )

    @router.post(
        "/reviews",
        response_model=Reviewed,
        status_code=201,
        responses=REFUSALS
        | UNKNOWN
        | {
            200: {"model": Reviewed, "description": "It was there"},
            409: {"description": "It contradicts the answer that it is of", **PROBLEM},
        },
        summary="Confirm or override an answer",
    )
    async def post_reviews(
        request: Request,
        caller: Annotated[Caller, Depends(require(parts.access, Role.REVIEW))],
        idempotency_key: Annotated[str, Header()] = "",
    ) -> Response:
        """What a person decided. Several may review an answer, and the newest review counts. The same again by the same person,
        or with the same `Idempotency-Key`, changes nothing.
        """
        if len(idempotency_key) > reviews.NAME:
            raise Problem(422, "The Idempotency-Key is too long", f"At most {reviews.NAME} characters.")
        body = await json_body(request, reviews.LONGEST)
        champion, now = parts.state.champion, datetime.now(UTC)
        identity = None if caller.kind == "anonymous" else caller.identity
        review = reading(champion)[1].read(body, identity)
        book = reviews.Reviews(pilot, champion.contract.task)
        number, new = await known(
            parts,
            door,
            review["prediction_id"],
            lambda engine: book.add(engine, review, idempotency_key or None, now),
        )
        return json_answer(
            Reviewed(prediction_id=review["prediction_id"], number=number, new=new), 201 if new else 200
        )

    return router
