"""``GET /predictions/{id}``, its explanation, and ``POST /explain``."""

# No `from __future__ import annotations`: FastAPI must see the door of this application in them, not its name.
import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from serving.access.admission import require
from serving.access.roles import Caller, Role
from serving.feedback import lookups
from serving.feedback.known import UNKNOWN, known
from serving.feedback.parts import PROBLEM, Parts, json_answer
from serving.feedback.reading import json_body
from serving.feedback.sending_routes import REFUSALS
from serving.feedback.store_door import StoreDoor
from serving.live_watch import State
from serving.problems import Problem
from serving.request_body import MISFIT, read_rows
from serving.request_model import Row

MAX_EXPLAINED = 100  # rows of one call: of a large forest each may take five milliseconds

INEXPLICABLE: dict[int | str, dict[str, Any]] = {
    501: {"description": "The release has no exact explanations", **PROBLEM}
}


def lookup_routes(parts: Parts, door: StoreDoor) -> APIRouter:
    """The three routes."""
    router = APIRouter(tags=["feedback"])
    answered_by = lookups.AnsweredBy(parts.settings)

    async def look_up(prediction_id: str) -> lookups.Found:
        pilot, task = parts.settings.pilot, parts.state.champion.contract.task
        return await known(
            parts, door, prediction_id, lambda engine: lookups.find(engine, pilot, prediction_id, task)
        )

    @router.get(
        "/predictions/{prediction_id}",
        response_model=lookups.Found,
        responses=UNKNOWN,
        summary="What was asked, answered, and what came of it",
    )
    async def get_prediction(
        prediction_id: str, _caller: Annotated[Caller, Depends(require(parts.access, Role.AUDIT))]
    ) -> Response:
        """Times are in UTC. Of several reviews the last counts."""
        return json_answer(await look_up(prediction_id))

    @router.get(
        "/predictions/{prediction_id}/explanation",
        response_model=lookups.Explained,
        responses=UNKNOWN
        | INEXPLICABLE
        | {
            409: {"description": "No model answered this row", **PROBLEM},
            410: {"description": "The release that answered is not on this server any more", **PROBLEM},
        },
        summary="Why it was answered so",
    )
    async def get_explanation(
        prediction_id: str, _caller: Annotated[Caller, Depends(require(parts.access, Role.EXPLAIN))]
    ) -> Response:
        """What each feature did to the answer, by the release that gave it."""
        found = await look_up(prediction_id)
        if found["excluded"] is not None:
            raise Problem(409, "No model answered this row", found["excluded"])

        def explain() -> lookups.Explanation:
            return lookups.explain(answered_by.servable(found["release"], parts.watch.state), found["row"])

        told: lookups.Explained = {
            "prediction_id": found["prediction_id"],
            "release": found["release"],
            "cohort": found["cohort"],
            "explanation": await asyncio.to_thread(explain),
        }
        return json_answer(told)

    @router.post("/explain", responses=REFUSALS | INEXPLICABLE, summary="Score one row or many, and say why")
    async def post_explain(
        request: Request, caller: Annotated[Caller, Depends(require(parts.access, Role.EXPLAIN))]
    ) -> Response:
        """As `/predict`, and logged as its answers are: whoever reads an explanation has read the answer."""
        body, state = await json_body(request), parts.state
        rows, many = read_rows(body, state.champion)
        if len(rows) > MAX_EXPLAINED:
            detail = f"At most {MAX_EXPLAINED} rows are explained at a time; got {len(rows):,}."
            raise Problem(422, MISFIT, detail)
        _refuse_inexplicable(rows, state)
        answers = await parts.answer_rows(rows, state, request.headers.get("traceparent"), caller)

        def explain() -> list[dict[str, Any]]:
            return [_with_reasons(answer, row, state) for answer, row in zip(answers, rows, strict=True)]

        explained = await asyncio.to_thread(explain)
        return json_answer({"predictions": explained} if many else explained[0])

    return router


def _refuse_inexplicable(rows: Sequence[Row], state: State) -> None:
    """What one of the releases that may answer cannot explain is not answered: nothing is logged or charged.

    Raises:
        Problem: 501.
    """
    for identity, reader in state.readers.items():
        if identity != state.live.champion and (row := next(filter(reader.reads, rows), None)):
            state.releases[identity].explain(row)
    state.champion.explain(rows[0])


def _with_reasons(answer: dict[str, Any], row: Row, state: State) -> dict[str, Any]:
    """The answer with its explanation; none where no model answered."""
    reasons = None
    if answer["excluded"] is None:
        reasons = lookups.explain(state.releases[answer["release"]], row)
    return {**answer, "explanation": reasons}
