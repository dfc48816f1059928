"""The protocol's routes."""

# No `from __future__ import annotations`: FastAPI must see the door of this application in them, not its name.
import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from serving.access.admission import require
from serving.access.roles import Caller, Role
from serving.feedback.parts import ANYWHERE, Parts, json_answer
from serving.feedback.reading import JSON, whole_body
from serving.inference_protocol import metadata
from serving.inference_protocol.columns import ColumnReader
from serving.inference_protocol.outputs import refuse_unknown_outputs, response
from serving.inference_protocol.request import read_request
from serving.problems import Problem
from serving.releases import Servable

HEADER = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"


class ProtocolError(BaseModel):
    """How the protocol says that something is wrong."""

    error: str


ADMITTED: dict[int | str, dict[str, Any]] = {
    **ANYWHERE,
    401: {"model": ProtocolError, "description": "Nobody who is known here asks"},
    403: {"model": ProtocolError, "description": "Who asks may not"},
    429: {"model": ProtocolError, "description": "Too much for now; Retry-After says when to go on"},
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    **ADMITTED,
    400: {"model": ProtocolError, "description": "It is no request of the protocol"},
    404: {"model": ProtocolError, "description": "There is no such model, or that version is not live"},
    413: {"model": ProtocolError, "description": "The body is too long"},
    415: {"model": ProtocolError, "description": "The body is of another type, or compressed"},
    422: {"model": ProtocolError, "description": "A value does not fit the contract"},
    503: {"model": ProtocolError, "description": "No release is live, or the answer cannot be logged"},
}
READY: dict[int | str, dict[str, Any]] = {404: REFUSALS[404], 503: REFUSALS[503]}
NAMED = ADMITTED | READY


class ProtocolRoute(APIRoute):
    """Says what is wrong in the protocol's own words, also where a caller may not ask at all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with problem documents turned into the protocol's errors."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                document = problem.document
                answer = json_answer(
                    {"error": f"{document['title']}. {document['detail']}"}, document["status"]
                )
                for name, value in problem.response().headers.items():
                    if name not in ("content-length", "content-type"):
                        answer.headers[name] = value
                return answer

        return handled


def add_inference_protocol(app: FastAPI, parts: Parts) -> None:
    """Add the routes under ``/v2``."""
    app.include_router(_metadata_routes(parts))
    app.include_router(_inference_routes(parts))


def _metadata_routes(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=ProtocolRoute)
    pilot = parts.settings.pilot
    somebody = Depends(require(parts.access, None))

    @router.get("", responses=ADMITTED, summary="Which server this is", dependencies=[somebody])
    async def get_server() -> Response:
        return json_answer(metadata.server())

    @router.get("/health/live", summary="Is the process alive?")
    async def get_live() -> Response:
        return json_answer({"live": True})

    @router.get("/health/ready", responses={503: REFUSALS[503]}, summary="Can it answer?")
    async def get_ready() -> Response:
        _refuse_unready(parts)
        return json_answer({"ready": True})

    @router.get("/models/{name}", responses=NAMED, summary="Its tensors", dependencies=[somebody])
    @router.get(
        "/models/{name}/versions/{version}",
        responses=NAMED,
        summary="The same of a version that is live",
        dependencies=[somebody],
    )
    async def get_model(name: str, version: str | None = None) -> Response:
        metadata.named(parts.state, pilot, name, version)
        return json_answer(metadata.model(parts.state, pilot))

    @router.get("/models/{name}/ready", responses=READY, summary="Can the model answer?")
    @router.get(
        "/models/{name}/versions/{version}/ready",
        responses=READY,
        summary="Can the version answer?",
    )
    async def get_model_ready(name: str, version: str | None = None) -> Response:
        _refuse_unready(parts)
        metadata.named(parts.state, pilot, name, version)
        return json_answer({"name": name, "ready": True})

    return router


def _inference_routes(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=ProtocolRoute)
    readers: dict[str, ColumnReader] = {}

    def reader(champion: Servable) -> ColumnReader:
        if champion.id not in readers:
            readers.clear()  # of what was live before
            readers[champion.id] = ColumnReader(champion)
        return readers[champion.id]

    @router.post("/models/{name}/infer", responses=REFUSALS, summary="Score rows, a tensor for each column")
    @router.post(
        "/models/{name}/versions/{version}/infer",
        responses=REFUSALS,
        summary="The same, where that version is live",
    )
    async def infer(
        request: Request,
        name: str,
        caller: Annotated[Caller, Depends(require(parts.access, Role.PREDICT))],
        version: str | None = None,
    ) -> Response:
        """Validated, answered and logged as by `/predict`; tensors in JSON or in binary."""
        _refuse_other_types(request)
        body, state = await whole_body(request), parts.state
        identity = metadata.named(state, parts.settings.pilot, name, version)
        contract = state.champion.contract

        def read() -> tuple[Any, list[dict[str, Any]]]:
            asked = read_request(body, request.headers.get(HEADER))
            refuse_unknown_outputs(asked, contract)
            return asked, reader(state.champion).rows(asked)

        asked, rows = await asyncio.to_thread(read)
        answers = await parts.answer_rows(rows, state, request.headers.get("traceparent"), caller)
        head: dict[str, Any] = {"model_name": name, "model_version": version or identity}
        head["parameters"] = {told: answers[0][told] for told in ("ai_system", "notice")}
        if asked.id is not None:
            head["id"] = asked.id
        content, size = response(asked, contract, answers, head)
        if size is None:
            return Response(content, media_type=JSON)
        return Response(content, headers={HEADER: str(size)}, media_type=BINARY)

    return router


def _refuse_unready(parts: Parts) -> None:
    if reason := parts.not_ready():
        raise Problem(503, "Not ready", reason)


def _refuse_other_types(request: Request) -> None:
    """The protocol's clients name one of two types, or none. A page elsewhere can make a browser send a body unasked that names
    none, but not without ``Origin``.

    Raises:
        Problem: 415.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in (JSON, BINARY) and (given or "origin" in request.headers):
        detail = f"Send it with Content-Type: {JSON} or {BINARY}; got {given[:100] or 'none'}."
        raise Problem(415, "The body is of another type", detail, {"Accept": f"{JSON}, {BINARY}"})
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "The body is compressed", "Send it as it is.", {"Accept-Encoding": "identity"})
