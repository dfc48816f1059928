"""From validated rows to logged answers."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy.engine import Engine

from serving.answers import AMOUNT, said
from serving.live_watch import State
from serving.metrics import Metrics
from serving.prediction_log import write
from serving.problems import Problem
from serving.request_body import read_rows
from serving.request_model import Row


def predict(body: bytes, state: State, engine: Engine, metrics: Metrics) -> dict[str, Any]:
    """Validate, score and log one request; the answer as it is sent.

    Raises:
        Problem: the body does not fit (400, 422), or the answer cannot be logged (503).
    """
    rows, many = read_rows(body, state.champion)
    subjects = _texts(rows, state.champion.contract.subject)
    keys = _texts(rows, state.champion.contract.key)
    # Where nobody is named, each row is its own subject: a wave still gets its share.
    drawn_by = [
        subject if subject is not None else str(key) for subject, key in zip(subjects, keys, strict=True)
    ]
    cohorts = [state.cohort(name, row) for name, row in zip(drawn_by, rows, strict=True)]
    received = datetime.now(UTC)
    answers: list[dict[str, Any]] = [{}] * len(rows)
    outside: Counter[tuple[str, str]] = Counter()  # release and segment of the rows that get no answer
    for cohort in dict.fromkeys(cohorts):
        places = [place for place, drawn in enumerate(cohorts) if drawn == cohort]
        for place, answer in zip(
            places, _score([rows[p] for p in places], state, cohort, received, outside), strict=True
        ):
            answers[place] = answer
    pilot, time = state.champion.release.manifest.pilot, state.champion.contract.time
    entries = [
        {
            "prediction_id": answer["prediction_id"],
            "pilot": pilot,
            "release_id": answer["release"],
            "cohort": answer["cohort"],
            "key": answer["key"],
            "subject": subject,
            "event_time": row[time],
            "received_at": received,
            "score": answer[AMOUNT] if AMOUNT in answer else answer["score"],
            "decision": answer.get("decision"),
            "excluded": answer["excluded"],
            "row": row,
        }
        for row, subject, answer in zip(rows, subjects, answers, strict=True)
    ]
    try:
        write(engine, entries)
    except Problem:
        metrics.log_failures.inc()
        raise
    _count(answers, metrics)
    for (release, segment), count in outside.items():
        metrics.excluded.labels(release, segment).inc(count)
    return {"predictions": answers} if many else answers[0]


def prediction_id(moment: datetime) -> str:
    """A UUID of version 7 (RFC 9562), in hexadecimal: it begins with the time, so that a database appends to its index."""
    number = int(moment.timestamp() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76  # version
    return f"{number & ~(0x3 << 62) | 0x2 << 62:032x}"  # variant


def _score(
    rows: list[Row], state: State, cohort: str, moment: datetime, outside: Counter[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Answers of one cohort's release to its rows; those it was not proven on are counted in ``outside`` by segment."""
    servable = state.answering(cohort)
    scores = servable.model.score({f.name: [row[f.name] for row in rows] for f in servable.model.features})
    if not np.isfinite(scores).all():
        raise Problem(
            500, "The model gave no number", f"Release {servable.id} has no score for one of these rows."
        )
    threshold = servable.release.manifest.decision_threshold
    keys = _texts(rows, state.champion.contract.key)
    left_out = [servable.coverage.excluded(row) for row in rows]
    outside.update((servable.id, found[0]) for found in left_out if found)
    return [
        {
            "prediction_id": prediction_id(moment),
            "key": key,
            **said(None if found else score, threshold),
            "excluded": found[1] if found else None,
            "release": servable.id,
            "cohort": cohort,
            "out_of_range": servable.out_of_range(row),
        }
        for row, key, score, found in zip(rows, keys, scores.tolist(), left_out, strict=True)
    ]


def _texts(rows: list[Row], column: str | None) -> list[str | None]:
    """The column as text, as the store keeps keys and subjects; None where the pilot has no such column or the row no value."""
    values = [None if column is None else row[column] for row in rows]
    return [None if value is None else str(value) for value in values]


def _count(answers: list[dict[str, Any]], metrics: Metrics) -> None:
    for (release, cohort), count in Counter(
        (answer["release"], answer["cohort"]) for answer in answers
    ).items():
        metrics.predictions.labels(release, cohort).inc(count)
    for feature, count in Counter(
        feature for answer in answers for feature in answer["out_of_range"]
    ).items():
        metrics.out_of_range.labels(feature).inc(count)
