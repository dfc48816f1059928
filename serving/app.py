"""The application: routes and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving.access.opening import open_access
from serving.access.roles import Caller
from serving.answers import Prediction, Predictions
from serving.docs import add_docs_page, openapi
from serving.feedback.parts import AnswerRows, Parts
from serving.feedback.routes import add_feedback_routes
from serving.live_watch import LiveWatch, State
from serving.metrics import Metrics, MetricsMiddleware
from serving.predicting import predict
from serving.problems import Problem, of_routing
from serving.request_body import MAX_BYTES
from serving.request_model import Row
from serving.unforeseen import UnforeseenMiddleware
from tremplin.settings import Settings

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": reason, "content": {"application/problem+json": {}}}
    for status, reason in (
        (400, "The body is not JSON"),
        (413, "The body is too long"),
        (415, "The body is not said to be application/json"),
        (
            422,
            "A row does not fit the contract: `errors` names row, field, what was got and what is expected",
        ),
        (500, "The server failed; `instance` is the request's id in its log"),
        (503, "No release is live, or the answer cannot be logged"),
    )
}
# Scoring and logging leave the event loop free: a locked database must not stop /livez. More threads would only queue at SQLite.
THREADS = 4


def create_app(settings: Settings) -> FastAPI:
    """The server of one pilot. ``app.state.watch`` says what is live."""
    metrics = Metrics()
    watch = LiveWatch(settings, metrics)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(watch.start)
        yield
        watch.stop()
        pool.shutdown()
        feedback.close()

    app = FastAPI(
        title=f"Tremplin: {settings.pilot}",
        version=version("tremplin"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.watch = watch
    app.openapi = lambda: openapi(app, watch.state)  # type: ignore[method-assign]
    app.add_middleware(UnforeseenMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics)  # outermost: it counts the failures too
    add_docs_page(app)

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        return of_routing(request, error).response()

    @app.post(
        "/predict",
        response_model=Prediction | Predictions,
        responses=REFUSALS,
        summary="Score one row, or many",
    )
    async def post_predict(request: Request) -> Response:
        """Every answer is logged before it is sent. A fault names its row, its field, what was got and what is expected."""
        _require_json(request)
        body = await _body(request)
        state, engine = watch.state, watch.engine
        if state is None or engine is None:
            raise Problem(503, "Not ready", watch.not_ready or "starting")
        answer = await asyncio.get_running_loop().run_in_executor(pool, predict, body, state, engine, metrics)
        return _json(answer)

    access = open_access(settings, metrics.registry)
    parts = Parts(settings, watch, access, _answer_rows(watch, pool, metrics), _settled)
    feedback = add_feedback_routes(app, parts)

    @app.get("/livez", summary="Is the process alive?")
    async def livez() -> Response:
        return _json({"status": "alive"})

    @app.get("/readyz", summary="Can it answer? 503 with the reason if not")
    async def readyz() -> Response:
        reason = watch.not_ready
        if reason:
            raise Problem(503, "Not ready", reason)
        return _json({"status": "ready"})

    @app.get("/release", summary="What is live, and where each release comes from")
    async def release() -> Response:
        if watch.state is None:
            raise Problem(503, "Not ready", watch.not_ready or "starting")
        facts: dict[str, Any] = {
            "pilot": settings.pilot,
            "version": watch.state.version,
            **watch.state.live.model_dump(),
        }
        facts["releases"] = {
            identity: {
                **servable.release.manifest.model_dump(mode="json", exclude={"files"}),
                "coverage": [segment.model_dump() for segment in servable.segments],
            }
            for identity, servable in watch.state.releases.items()
        }
        return _json(facts)

    @app.get("/metrics", include_in_schema=False)
    async def get_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _answer_rows(watch: LiveWatch, pool: ThreadPoolExecutor, metrics: Metrics) -> AnswerRows:
    """Rows that were read from another form than /predict's are answered as its own."""

    async def answer(
        rows: Sequence[Row], state: State, _trace: str | None, _caller: Caller
    ) -> list[dict[str, Any]]:
        if watch.engine is None:
            raise Problem(503, "Not ready", watch.not_ready or "starting")
        loop, body = asyncio.get_running_loop(), to_json({"rows": rows})
        answers = await loop.run_in_executor(pool, predict, body, state, watch.engine, metrics)
        found: list[dict[str, Any]] = answers["predictions"]
        return found

    return answer


async def _settled(_prediction_id: str) -> None:
    """A prediction is in the store before it is answered."""


def _require_json(request: Request) -> None:
    """Nothing is guessed of a body that does not say what it is, and no page elsewhere can make a browser send one unasked.

    Raises:
        Problem: 415 with the type to send (RFC 9110, section 15.5.16).
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        detail = f"Send it with Content-Type: application/json; got {given[:100] or 'none'}."
        raise Problem(415, "The body is not said to be JSON", detail, {"Accept": "application/json"})


async def _body(request: Request) -> bytes:
    """The whole body, as long as it is not too long."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BYTES:
                raise Problem(
                    413,
                    "The body is too long",
                    f"At most {MAX_BYTES // 2**20} MiB; send fewer rows at a time.",
                )
            parts.append(part)
    except ClientDisconnect:
        raise Problem(400, "The body is not whole", "The caller left before its end.") from None
    return b"".join(parts)


def _json(content: Any) -> Response:
    return Response(to_json(content), media_type="application/json")
