"""Replay: rows of the past sent to the server as their callers would have, and their outcomes when they became known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, perf_counter
from typing import Any

import httpx
import numpy as np
import pandas as pd
import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Engine

from tremplin.contract import Column, Contract
from tremplin.errors import TremplinError
from tremplin.outcomes import event_times, set_impossible_aside
from tremplin.pilot import Pilot
from tremplin.store import insert_once, outcomes, predictions

MAX_ROWS = 5000  # of one call; the server's own limit
PATIENCE = httpx.Timeout(60.0, connect=5.0)  # seconds; a locked store holds an answer back for up to 30

ARRIVAL = 60.0  # seconds; a server's log is milliseconds behind, and a locked store holds it up for 30
KEYS = 5000  # asked for in one query; SQLite takes 32,766 parameters

Progress = Callable[[int, int], None]  # rows answered, of how many


@dataclass(frozen=True)
class ReplayFacts:
    """What a replay did."""

    sent: int
    skipped: int  # the store had their answers from before
    batches: int
    seconds: float


def replay(
    url: str,
    pilot: Pilot,
    rows: pd.DataFrame,
    engine: Engine,
    *,
    key: str = "",
    progress: Progress | None = None,
) -> ReplayFacts:
    """Send ``rows`` to the server at ``url`` in the order of their events, one call for each hour of events.

    A row whose key the store already has a prediction for is left out, so an interrupted replay completes without
    doubling anything.

    Args:
        rows: the contract's columns; target and label time are not sent.
        engine: the store that the server logs to.
        key: an API key with the role predict, where the server asks for one.
        progress: called after each answer with the rows answered and the rows to answer.

    Raises:
        TremplinError: the server does not answer, or refuses, or its answers do not reach the store; what was answered before
            is kept.
    """
    begun = perf_counter()
    contract = pilot.contract
    if rows.empty:
        return ReplayFacts(0, 0, 0, 0.0)
    sent = batches = 0
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, headers=headers) as client:
        _settle(client)  # a replay that was cut short may have had answers that the store has not
        known = _answered(engine, pilot.name, rows[contract.time])
        waiting = rows[~rows[contract.key].astype(str).isin(known)].sort_values([contract.time, contract.key])
        for batch in _batches(waiting, contract):
            _send(client, batch)
            sent, batches = sent + len(batch), batches + 1
            if progress:
                progress(sent, len(waiting))
        _settle(client)
    return ReplayFacts(sent, len(rows) - len(waiting), batches, perf_counter() - begun)


@dataclass(frozen=True)
class OutcomeFacts:
    """What came of outcomes that arrived."""

    new: int
    differing: (
        int  # from the one that is there already for the same key, which stays: monitoring has measured by it
    )


def record_outcomes(engine: Engine, pilot: Pilot, rows: pd.DataFrame, as_of: datetime) -> OutcomeFacts:
    """Store the labels of ``rows`` that were known at ``as_of``. The rest never or later get one."""
    contract = pilot.contract
    known = rows[rows[contract.target].notna() & (rows[contract.label_time] <= as_of)]
    keys, labels = known[contract.key].astype(str).tolist(), known[contract.target].astype(float).tolist()
    moments = known[contract.label_time].dt.tz_convert(UTC).dt.to_pydatetime()
    told = [
        {"pilot": pilot.name, "key": key, "label": label, "known_at": moment}
        for key, label, moment in zip(keys, labels, moments, strict=True)
    ]
    new = insert_once(engine, outcomes, told)
    if new == len(keys):
        return OutcomeFacts(new, 0)
    if _set_impossible_aside(
        engine, pilot.name, keys
    ):  # what somebody sent; now there is room for what the source says
        new += insert_once(engine, outcomes, told)
    stored = _labels(engine, pilot.name, keys)
    return OutcomeFacts(new, sum(stored[key] != label for key, label in zip(keys, labels, strict=True)))


def _set_impossible_aside(engine: Engine, pilot: str, keys: list[str]) -> int:
    aside = 0
    for start in range(0, len(keys), KEYS):
        with engine.begin() as connection:
            events = event_times(connection, pilot, keys[start : start + KEYS])
            aside += set_impossible_aside(connection, pilot, events, datetime.now(UTC))
    return aside


def _labels(engine: Engine, pilot: str, keys: list[str]) -> dict[str, float]:
    query = sa.select(outcomes.c.key, outcomes.c.label).where(outcomes.c.pilot == pilot)
    found: dict[str, float] = {}
    with engine.connect() as connection:
        for start in range(0, len(keys), KEYS):
            chosen = query.where(outcomes.c.key.in_(keys[start : start + KEYS]))
            found |= {row.key: row.label for row in connection.execute(chosen)}
    return found


def request_rows(rows: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """Rows as a caller writes them in JSON: missing is None, times are ISO 8601 in UTC."""
    names = [column.name for column in contract.request_columns]
    columns = [_json_values(rows[column.name], column) for column in contract.request_columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _json_values(values: pd.Series, column: Column) -> list[Any]:
    if column.logicalType == "timestamp":
        return _iso(values)
    missing = values.isna().tolist()
    kind = {"number": float, "integer": int, "boolean": bool}.get(column.logicalType, str)
    return [None if gone else kind(value) for value, gone in zip(values.tolist(), missing, strict=True)]


def _iso(times: pd.Series) -> list[str | None]:
    """NumPy writes times thirty times faster than strftime."""
    texts = np.datetime_as_string(
        times.dt.tz_convert(UTC).dt.tz_localize(None).to_numpy("datetime64[us]"), timezone="UTC"
    )
    return [None if text == "NaT" else text for text in texts.tolist()]


def _answered(engine: Engine, pilot: str, times: pd.Series) -> set[str]:
    """Keys of events in that span that the store has a prediction for."""
    span = predictions.c.event_time.between(times.min().to_pydatetime(), times.max().to_pydatetime())
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(predictions.c.key).where(predictions.c.pilot == pilot, span)))


def _batches(rows: pd.DataFrame, contract: Contract) -> Iterator[list[dict[str, Any]]]:
    """The rows of each hour of the event time, in order; a long hour in several parts."""
    hours = rows[contract.time].dt.floor("h").to_numpy("datetime64[ns]")
    ready = request_rows(rows, contract)
    start = 0
    for end in range(1, len(ready) + 1):
        if end == len(ready) or hours[end] != hours[start] or end - start == MAX_ROWS:
            yield ready[start:end]
            start = end


def _send(client: httpx.Client, batch: list[dict[str, Any]]) -> None:
    _call(client, "POST", "/predict", to_json({"rows": batch}))


def _settle(client: httpx.Client) -> None:
    """Until the store has every answer: the server keeps each on its own disk first.

    Raises:
        TremplinError: they do not arrive.
    """
    begun = monotonic()
    while not (log := _call(client, "GET", "/log"))["settled"]:
        if monotonic() - begun > ARRIVAL:
            raise TremplinError(
                f"The server {client.base_url} answered, and {log['waiting']:,} of its answers do not reach the store "
                f"({log['problem'] or 'they are on their way'}). They are kept on the server's disk until they do. Mend the "
                "store, then replay again."
            )


def _call(client: httpx.Client, method: str, path: str, body: bytes | None = None) -> Any:
    try:
        answer = client.request(method, path, content=body, headers={"content-type": "application/json"})
    except httpx.HTTPError as error:
        raise TremplinError(
            f"The server {client.base_url} does not answer ({type(error).__name__}: {error}). Start it with `tremplin serve`, "
            "then replay again: what was answered is kept."
        ) from error
    if answer.status_code != httpx.codes.OK:
        raise TremplinError(f"The server {client.base_url} refuses ({answer.status_code}): {_reason(answer)}")
    return answer.json()


def _reason(answer: httpx.Response) -> str:
    """The problem document in one paragraph."""
    try:
        document = answer.json()
        return f"{document['title']}. {document['detail']}"
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]
