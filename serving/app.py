"""The application: routes and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from serving.access.admission import require
from serving.access.headers import SecurityHeadersMiddleware
from serving.access.opening import open_access
from serving.access.roles import Caller, Role
from serving.docs import openapi
from serving.docs_page import add_docs_page
from serving.feedback.parts import Parts
from serving.feedback.routes import add_feedback_routes
from serving.inference_protocol.routes import add_inference_protocol
from serving.live_routes import add_live_routes, public
from serving.live_watch import LiveWatch, State
from serving.metrics import Metrics, MetricsMiddleware
from serving.predict_route import PATH, PredictRoute
from serving.predicting import Predictor
from serving.prediction_log import PredictionLog
from serving.problems import Problem, of_routing
from serving.request_model import Row
from serving.unforeseen import UnforeseenMiddleware
from tremplin.settings import Settings


class App(FastAPI):
    """FastAPI with one route in front of it, which needs none of what stands between."""

    def __init__(self, predict: PredictRoute, **given: Any) -> None:
        super().__init__(**given)
        self._predict = predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Any request."""
        if scope["type"] == "http" and scope["path"] == PATH:
            await self._predict(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """The server of one pilot. ``app.state.watch`` says what is live."""
    metrics = Metrics()
    watch = LiveWatch(settings, metrics)
    access = open_access(settings, metrics.registry)
    log = PredictionLog(settings)
    metrics.registry.register(log)
    metrics.access_stale.set_function(lambda: bool(access.problem))

    def not_ready() -> str | None:
        return public(watch.not_ready or log.problem, settings)

    def live() -> State:
        if watch.state is None:
            raise Problem(503, "Not ready", watch.not_ready or "starting")
        return watch.state

    predictor = Predictor(live, log, watch.guard, metrics)

    async def answer_rows(
        rows: Sequence[Row], state: State, trace: str | None, caller: Caller
    ) -> list[dict[str, Any]]:
        await access.charge(caller, len(rows))
        return await predictor.answer_rows(rows, state, trace)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        access.start()
        log.start()
        await asyncio.to_thread(watch.start)
        yield
        watch.stop()
        predictor.close()
        await asyncio.to_thread(log.close)
        feedback.close()
        await access.close()

    tls = settings.tls_certificate != Path()
    app = App(
        PredictRoute(access, predictor, metrics, tls=tls),
        title=f"Tremplin: {settings.pilot}",
        version=version("tremplin"),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # behind a gateway that ends TLS it would lead to http
    )
    known = [Depends(require(access, None))]  # outside development nobody else learns what runs here
    app.state.watch = watch
    app.openapi = lambda: openapi(app, watch.state)  # type: ignore[method-assign]
    app.add_middleware(MetricsMiddleware, metrics=metrics)  # it counts the failures too
    app.add_middleware(UnforeseenMiddleware)
    app.add_middleware(SecurityHeadersMiddleware, tls=tls)
    add_docs_page(app, known)

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        return of_routing(request, error).response()

    add_live_routes(app, live, not_ready, log, known)
    parts = Parts(settings, watch, access, answer_rows, log.settle, not_ready)
    feedback = add_feedback_routes(app, parts)
    add_inference_protocol(app, parts)

    @app.get("/metrics", include_in_schema=False, dependencies=[Depends(require(access, Role.OPERATE))])
    async def get_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json", include_in_schema=False, dependencies=known)
    async def get_openapi() -> Response:
        return Response(to_json(app.openapi()), media_type="application/json")

    return app
