"""From the body of a request to answers that are logged: validated, drawn, scored, kept, counted."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from pydantic_core import to_json

from serving.answers import AMOUNT, CHALLENGER, NOTICE, instead, reviewed, said
from serving.guard import Guard
from serving.live_watch import State
from serving.metrics import Metrics
from serving.prediction_log import PredictionLog
from serving.problems import Problem
from serving.releases import Servable
from serving.request_body import read_rows
from serving.request_model import Row
from serving.spool import SpoolFailed
from tremplin.live import BY_PERSON, STOPPED

# Bytes of a body that is answered on the event loop: a few rows take less time there than the way to a thread and back. Longer
# ones must not keep the rest waiting.
AT_ONCE = 16 * 1024
Charge = Callable[[int], Awaitable[None]]

# W3C Trace Context, version 00.
TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
THREADS = 2  # NumPy and ONNX Runtime let go of the interpreter; validation does not, so more threads would only take turns


@dataclass
class Answered:
    """The rows of one request, answered and not yet logged."""

    answers: list[dict[str, Any]]
    segments: list[tuple[str, str]]  # release and segment of each row that is of a group it was not proven on
    out_of_range: list[str]  # features, once for each value that training never came near
    record: bytes = (
        b""  # what is logged: a JSON list, an object a row with the columns of the table predictions
    )


class Predictor:
    """Answers by what is live. An answer leaves only once it is in the spool."""

    def __init__(
        self, state: Callable[[], State], log: PredictionLog, guard: Guard, metrics: Metrics
    ) -> None:
        self._state, self._log, self._guard, self._metrics = state, log, guard, metrics
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="predict")

    def close(self) -> None:
        """Finish what is under way."""
        self._pool.shutdown()

    async def answer(self, body: bytes, charge: Charge, trace: str | None = None) -> dict[str, Any]:
        """The answer to a JSON body of one row or many, as it is sent.

        Args:
            charge: counts the rows against the caller's limit.
            trace: the caller's ``traceparent``, kept with the prediction where it is one.

        Raises:
            Problem: the body does not fit (400, 422), holds more rows than the caller may ask for now (429), nothing is live or
                the answer cannot be logged (503).
        """
        state = self._state()
        if len(body) <= AT_ONCE:
            rows, many = read_rows(body, state.champion)
            await charge(len(rows))
            answered = answer_rows(rows, state, trace, self._guard)
        else:
            rows, many = await self._in_thread(read_rows, body, state.champion)
            await charge(len(rows))
            answered = await self._in_thread(answer_rows, rows, state, trace, self._guard)
        await self._keep(answered, state)
        return {"predictions": answered.answers} if many else answered.answers[0]

    async def answer_rows(
        self, rows: Sequence[Row], state: State, trace: str | None = None
    ) -> list[dict[str, Any]]:
        """The answers to rows that were validated against the contract of the champion of ``state``, logged as those of a body.

        Raises:
            Problem: 503, the answers cannot be logged.
        """
        answered: Answered = await self._in_thread(answer_rows, rows, state, trace, self._guard)
        await self._keep(answered, state)
        return answered.answers

    async def _in_thread(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def _keep(self, answered: Answered, state: State) -> None:
        try:
            await self._log.append(answered.record)
        except SpoolFailed as error:
            self._metrics.log_failures.inc()
            if not state.champion.sheet.unlogged:
                raise Problem(
                    503, "The answer cannot be logged", f"No prediction was made: {error}"
                ) from error
            self._metrics.unlogged.inc(len(answered.answers))
        self._count(answered, state)

    def _count(self, answered: Answered, state: State) -> None:
        counts = self._metrics.answers
        for answer in answered.answers:
            release, score = answer["release"], answer[AMOUNT] if AMOUNT in answer else answer["score"]
            counts.score(release, answer["cohort"], score, state.releases[release].scale)
        counts.strange(answered.segments, answered.out_of_range)


def answer_rows(rows: Sequence[Row], state: State, trace: str | None, guard: Guard) -> Answered:
    """Draw each row's cohort, score it with that cohort's release, and say why a person looks at it."""
    received = datetime.now(UTC)
    # One that is none is as if it was not sent, as the standard asks.
    trace = trace if trace is not None and TRACEPARENT.fullmatch(trace) else None
    cohorts = [state.cohort(row) for row in rows]
    scores = _scores(rows, cohorts, state, guard)
    answered = Answered([], [], [])
    entries = []
    for row, cohort, score in zip(rows, cohorts, scores, strict=True):
        servable = state.answering(cohort)
        strange = servable.out_of_range(row)
        content, excluded, segment = _content(row, score, servable, state)
        undecided = excluded is not None and (cohort != STOPPED or servable.sheet.fallback.answer is None)
        review = reviewed(servable.sheet, score, undecided=undecided, out_of_range=strange)
        answer = {
            "prediction_id": prediction_id(received),
            "key": str(row[state.key]),
            **content,
            "excluded": excluded,
            "release": servable.id,
            "cohort": cohort,
            "out_of_range": strange if servable.sheet.out_of_range != "answer" else [],
            "review": review,
            "ai_system": servable.sheet.system,
            "notice": NOTICE,
        }
        answered.answers.append(answer)
        answered.out_of_range.extend(strange)
        if segment is not None:
            answered.segments.append((servable.id, segment))
        entries.append(_entry(row, answer, state, received, trace))
    answered.record = to_json(entries, inf_nan_mode="null")
    return answered


def _scored(rows: list[Row], key: str, servable: Servable, guard: Guard | None) -> list[float]:
    """A number for each row; ``guard`` is told how a challenger did."""
    begun = perf_counter()
    try:
        scores = servable.scores(rows)
        sound = all(map(math.isfinite, scores))
    except Exception:
        if guard:
            guard.failed(len(rows))
        raise
    if guard and sound:
        guard.answered([str(row[key]) for row in rows], rows, scores, perf_counter() - begun)
    elif guard:
        guard.failed(len(rows))
    if not sound:
        detail = f"Release {servable.id} has no score for one of these rows."
        raise Problem(500, "The model gave no number", detail)
    return scores


def _content(
    row: Row, score: float | None, servable: Servable, state: State
) -> tuple[dict[str, Any], str | None, str | None]:
    """What is said of the target; why the release does not answer the row, if it does not; and the segment it is left out for."""
    threshold = servable.release.manifest.decision_threshold
    if state.live.stopped is not None:
        return instead(servable.sheet, threshold), f"{BY_PERSON}{state.live.stopped}", None
    left_out = servable.coverage.excluded(row)
    if left_out is None:
        return said(score, threshold), None, None
    segment, reason = left_out
    return said(None, threshold), reason, segment


def _entry(
    row: Row, answer: dict[str, Any], state: State, received: datetime, trace: str | None
) -> dict[str, Any]:
    """The answer as the table ``predictions`` keeps it."""
    subject = None if state.subject is None else row[state.subject]
    return {
        "prediction_id": answer["prediction_id"],
        "pilot": state.pilot,
        "release_id": answer["release"],
        "cohort": answer["cohort"],
        "key": answer["key"],
        "subject": None if subject is None else str(subject),
        "event_time": row[state.time],
        "received_at": received,
        "score": answer[AMOUNT] if AMOUNT in answer else answer["score"],
        "decision": answer.get("decision"),
        "excluded": answer["excluded"],
        "review": answer["review"],
        "traceparent": trace,
        "row": row,
    }


def _scores(rows: Sequence[Row], cohorts: list[str], state: State, guard: Guard) -> list[float | None]:
    """A score for each row by the release of its cohort; None for all while the model is stopped.

    Raises:
        Problem: 500, a model gives no number.
    """
    scores: list[float | None] = [None] * len(rows)
    if state.live.stopped is not None:
        return scores
    for cohort in dict.fromkeys(cohorts):
        places = [place for place, drawn in enumerate(cohorts) if drawn == cohort]
        own = [rows[place] for place in places]
        found = _scored(own, state.key, state.answering(cohort), guard if cohort == CHALLENGER else None)
        for place, score in zip(places, found, strict=True):
            scores[place] = score
    return scores


def prediction_id(moment: datetime) -> str:
    """A UUID of version 7 (RFC 9562), in hexadecimal: it begins with the time, so that a database appends to its index."""
    number = int(moment.timestamp() * 1000) << 80 | int.from_bytes(_ten_bytes(), "big")
    number = number & ~(0xF << 76) | 0x7 << 76  # version
    return f"{number & ~(0x3 << 62) | 0x2 << 62:032x}"  # variant


def _ten_bytes() -> bytes:
    """From the system, which is asked for a thousand at once: a call of its own for each row takes as long as scoring it."""
    try:
        return _random.pop()  # one step of the interpreter: no two threads get the same
    except IndexError:
        several = os.urandom(10 * 1024)
        _random.extend(several[start : start + 10] for start in range(10, len(several), 10))
        return several[:10]


_random: deque[bytes] = deque()
os.register_at_fork(after_in_child=_random.clear)  # two processes must not go on with the same
