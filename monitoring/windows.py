"""Windows of time, and the answers given in one, joined with the outcomes known by a moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tremplin.contract import Column
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot
from tremplin.store import outcomes, predictions

ANSWER = ["prediction_id", "release_id", "cohort", "score", "decision"]


@dataclass(frozen=True)
class Window:
    """Events in ``[start, end)``, aware times."""

    start: datetime
    end: datetime
    name: str


def month_window(name: str, timezone: str) -> Window:
    """The month ``name`` (such as ``2013-07``), midnight to midnight in ``timezone``.

    Raises:
        TremplinError: the name is not a month.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", name) or not "1900" <= name[:4] <= "2199":
        raise TremplinError(f"{name!r} is not a month. Write it as year and month, such as 2013-07.")
    year, month = (int(part) for part in name.split("-"))
    zone = ZoneInfo(timezone)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return Window(datetime(year, month, 1, tzinfo=zone), end, name)


def months_between(start: datetime, end: datetime, timezone: str) -> list[Window]:
    """The months of which ``[start, end)`` holds a part, in order."""
    zone = ZoneInfo(timezone)
    found, moment = [], start.astimezone(zone)
    while moment < end:
        found.append(month_window(f"{moment:%Y-%m}", timezone))
        moment = found[-1].end
    return found


def load_window(engine: Engine, pilot: Pilot, window: Window, as_of: datetime) -> pd.DataFrame:
    """Answers about events of the window, in order of the event, with what was known of them by ``as_of``.

    Rows that a release does not answer (``excluded``) are not among them: there is nothing to be right or wrong about.

    A question asked again of the same release counts once, with its last answer: a replay that was interrupted and a caller
    who retries must not make a window look larger than it is.

    Returns:
        One row an answer: the request's columns of the contract, ``prediction_id``, ``release_id``, ``cohort``,
        ``score``, ``decision``, ``label`` (float, NaN where it was not known) and ``known_at`` (NaT there).
    """
    known = sa.and_(
        outcomes.c.pilot == predictions.c.pilot,
        outcomes.c.key == predictions.c.key,
        outcomes.c.known_at <= as_of,
        outcomes.c.known_at
        >= predictions.c.event_time,  # else it cannot be: it was sent before its prediction
    )
    query = (
        sa.select(
            *(predictions.c[name] for name in ANSWER),
            predictions.c.key,
            predictions.c.row,
            outcomes.c.label,
            outcomes.c.known_at,
        )
        .select_from(predictions.outerjoin(outcomes, known))
        .where(predictions.c.pilot == pilot.name, predictions.c.excluded.is_(None))
        .where(predictions.c.event_time >= window.start, predictions.c.event_time < window.end)
        .order_by(predictions.c.event_time, predictions.c.key, predictions.c.received_at)
    )
    with engine.connect() as connection:
        found = connection.execute(query).all()
    answers = pd.DataFrame([row[:6] for row in found], columns=[*ANSWER, "key"])
    sent = pd.DataFrame([row[6] for row in found], columns=[c.name for c in pilot.contract.request_columns])
    typed = {column.name: _typed(sent[column.name], column) for column in pilot.contract.request_columns}
    rows = pd.DataFrame(typed).join(answers.drop(columns="key"))
    rows["label"] = pd.Series([row[7] for row in found], dtype="float64")
    rows["known_at"] = pd.to_datetime(pd.Series([row[8] for row in found], dtype="object"), utc=True)
    return rows[~answers.duplicated(["release_id", "key"], keep="last")].reset_index(drop=True)


def _typed(values: pd.Series, column: Column) -> pd.Series:
    """Values of a JSON column as the contract's type; JSON knows no times and no missing numbers."""
    if column.logicalType == "timestamp":
        return pd.to_datetime(values, utc=True, format="ISO8601")
    if column.logicalType == "boolean":
        return values.astype("boolean")
    return values.astype("float64") if column.numeric else values.astype("str")
