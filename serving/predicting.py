"""From validated rows to logged answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
from pydantic import BaseModel, Field
from sqlalchemy.engine import Engine

from serving.live_watch import State
from serving.metrics import Metrics
from serving.prediction_log import as_json, write
from serving.problems import Problem
from serving.request_body import Row, read_rows


class Prediction(BaseModel):
    """The answer to one row."""

    prediction_id: str = Field(description="names this answer in the log; `tremplin trace` follows it")
    key: str = Field(description="the row's key")
    score: float = Field(description="probability of the target", ge=0, le=1)
    decision: bool = Field(description="whether the score reaches the release's threshold")
    release: str = Field(description="the release that answered")
    cohort: str = Field(description="champion or challenger; a subject stays in its cohort for a whole rollout")
    out_of_range: list[str] = Field(description="features whose value is outside of what training saw")


class Predictions(BaseModel):
    """The answers to many rows, in their order."""

    predictions: list[Prediction]


def predict(body: bytes, state: State, engine: Engine, metrics: Metrics) -> dict[str, Any]:
    """Validate, score and log one request; the answer as it is sent.

    Raises:
        Problem: the body does not fit (400, 422), or the answer cannot be logged (503).
    """
    rows, many = read_rows(body, state.champion)
    contract = state.champion.contract
    cohorts = [state.live.cohort(str(row[contract.subject])) if contract.subject else "champion" for row in rows]
    answers: list[dict[str, Any]] = [{}] * len(rows)
    for cohort in dict.fromkeys(cohorts):
        places = [place for place, drawn in enumerate(cohorts) if drawn == cohort]
        for place, answer in zip(places, _score([rows[p] for p in places], state, cohort), strict=True):
            answers[place] = answer
    received, pilot = datetime.now(UTC), state.champion.release.manifest.pilot
    entries = [
        {
            "prediction_id": answer["prediction_id"],
            "pilot": pilot,
            "release_id": answer["release"],
            "cohort": answer["cohort"],
            "key": answer["key"],
            "subject": str(row[contract.subject]) if contract.subject else None,
            "event_time": row[contract.time],
            "received_at": received,
            "score": answer["score"],
            "decision": answer["decision"],
            "row": as_json(row),
        }
        for row, answer in zip(rows, answers, strict=True)
    ]
    try:
        write(engine, entries)
    except Problem:
        metrics.log_failures.inc()
        raise
    for answer in answers:
        metrics.predictions.labels(answer["release"], answer["cohort"]).inc()
        for feature in answer["out_of_range"]:
            metrics.out_of_range.labels(feature).inc()
    return {"predictions": answers} if many else answers[0]


def _score(rows: list[Row], state: State, cohort: str) -> list[dict[str, Any]]:
    """Answers of one cohort's release to its rows."""
    servable, key = state.answering(cohort), state.champion.contract.key
    scores = servable.model.score({f.name: [row[f.name] for row in rows] for f in servable.model.features})
    if not np.isfinite(scores).all():
        raise Problem(500, "The model gave no number", f"Release {servable.id} has no score for one of these rows.")
    threshold = servable.release.manifest.decision_threshold
    return [
        {
            "prediction_id": uuid4().hex,
            "key": str(row[key]),
            "score": score,
            "decision": score >= threshold,
            "release": servable.id,
            "cohort": cohort,
            "out_of_range": servable.out_of_range(row),
        }
        for row, score in zip(rows, scores.tolist(), strict=True)
    ]
