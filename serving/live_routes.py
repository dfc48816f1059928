"""The routes that say what is live: to a cluster, to whoever runs it, and to the people it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Response
from fastapi.params import Depends
from pydantic_core import to_json

from serving.docs import ASKS, PROBLEM
from serving.live_watch import State
from serving.notice import notice
from serving.prediction_log import PredictionLog
from serving.problems import Problem
from tremplin.settings import Settings

NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "No release is live, or it cannot answer", **PROBLEM}
}
WITHHELD = "No answer can be given now; the server's log says why."


def add_live_routes(
    app: FastAPI,
    live: Callable[[], State],
    not_ready: Callable[[], str | None],
    log: PredictionLog,
    known: Sequence[Depends],
) -> None:
    """Add them.

    Args:
        live: what answers now; raises Problem where nothing does.
        not_ready: why no prediction can be made, as everybody may read it, or None.
        log: where answers wait until the store has them.
        known: lets in who may see what runs here; probes and the notice are for everybody.
    """

    @app.get("/livez", summary="Is the process alive?")
    async def livez() -> Response:
        return _json({"status": "alive"})

    @app.get("/readyz", responses=NOT_READY, summary="Can it answer? 503 if not")
    async def readyz() -> Response:
        if reason := not_ready():
            raise Problem(503, "Not ready", reason)
        return _json({"status": "ready"})

    @app.get(
        "/release",
        responses=ASKS | NOT_READY,
        summary="What is live, and where each release comes from",
        dependencies=known,
    )
    async def release() -> Response:
        state = live()
        pilot = state.champion.release.manifest.pilot
        facts: dict[str, Any] = {"pilot": pilot, "version": state.version, **state.live.model_dump()}
        facts["releases"] = {
            identity: {
                **servable.release.manifest.model_dump(mode="json", exclude={"files"}),
                "coverage": [segment.model_dump() for segment in servable.segments],
                "path": servable.path,
            }
            for identity, servable in state.releases.items()
        }
        return _json(facts)

    @app.get(
        "/log",
        responses=ASKS,
        summary="Does the store have all that was answered before? Waits for it a little",
        dependencies=known,
    )
    async def get_log() -> Response:
        return _json({"settled": await log.settle(), "waiting": log.depth, "problem": log.trouble})

    @app.get(
        "/notice",
        responses=NOT_READY,
        summary="What answers here, what for, who answers for it, and how to object",
    )
    async def get_notice() -> Response:
        try:
            state = live()
        except Problem as problem:  # its detail is for who has a key
            raise Problem(503, "Not ready", not_ready() or str(problem)) from None
        return _json(notice(state))


def public(reason: str | None, settings: Settings) -> str | None:
    """The reason as everybody may read it: outside development it could name paths, and the store's host and user."""
    return reason if reason is None or settings.environment == "development" else WITHHELD


def _json(content: Any) -> Response:
    return Response(to_json(content), media_type="application/json")
