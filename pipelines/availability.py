"""Were the columns known when the question was asked? The source is cut there, and the rows it makes then are compared.

Requirement: a column of a request holds what its caller can know at the moment of the decision.
Risk: a delay that includes what has not happened yet, a reading of a later hour, a row that is left out for how it ended. In the
rows nothing of it can be seen, in an evaluation it looks like a good model.
Quality method: moments of the window are drawn by a hash, more of them in its newest month; for each the source makes its rows
again from what was known then (``fetch(..., known_at=...)``), and every request column must be what it was.
Evidence: in the metadata of ``snapshot.parquet``, hence under the hash that DVC knows the rows by; the gate's check reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from pipelines.fetching import fetched
from pipelines.stages import read_metadata, typed
from pipelines.withdrawal import NOBODY, Withdrawn
from tremplin.contract import Column, Contract, Strict
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

METADATA = "tremplin.availability"  # key of the Parquet file's metadata
SPREAD, NEWEST = 16, 8  # moments of the whole window, and more of its newest month
MONTH = timedelta(days=30)
EARLIER, REACHED = timedelta(days=1), 4  # how much earlier a second cut is, which shows what a cut reaches
EXAMPLES = 3
INSTANT = timedelta(seconds=1)  # a window that holds one moment, for any clock that a source may keep
# Sums over another window round otherwise: relative to the value, and to the largest of its column.
RELATIVE, OF_LARGEST = 1e-6, 1e-9


class Difference(Strict):
    """A column that was otherwise when the source was cut. Under the key's name: rows that were not there, or no more."""

    column: str
    rows: int
    examples: list[str]  # keys


class Availability(Strict):
    """What came of cutting the source."""

    uncut_because: str | None  # why it was not cut; "" where nobody says why; None: it was
    moments: list[datetime]  # of decision
    rows: int  # compared
    hidden: int  # ... whose outcome was known later, and which the cut took away
    differing: list[Difference]
    reached: list[
        str
    ]  # request columns that a cut one day earlier changes: those that a cut says anything of


def measure(
    pilot: Pilot, rows: pd.DataFrame, as_of: datetime, *, withdrawn: Withdrawn = NOBODY
) -> Availability:
    """Cut the pilot's source at decisions about some of ``rows``, which it made uncut.

    Args:
        rows: typed rows of the window that ends at ``as_of``, with every outcome that the source knows; at least one.
        withdrawn: who is not in ``rows``.

    Raises:
        SourceAway: the source does not answer.
        TremplinError: it cannot make a row from what was known at a moment.
    """
    data, contract = pilot.file.data, pilot.contract
    if not pilot.can_be_cut:
        return Availability(
            uncut_because=data.uncut_because or "", moments=[], rows=0, hidden=0, differing=[], reached=[]
        )
    lead = timedelta(minutes=data.decision_lead_minutes)
    events = draw(rows, contract, as_of)
    scale = {
        column.name: _largest(rows[column.name]) for column in contract.request_columns if column.numeric
    }
    found: dict[str, list[str]] = {}
    reached: set[str] = set()
    compared = hidden = 0
    early = set(events[:: max(1, len(events) // REACHED)])
    for event in events:
        whole, decided = rows[rows[contract.time] == event], event - lead
        cut = _made_at(pilot, event, decided, withdrawn)
        for name, keys in _compare(whole, cut, contract, scale):
            found.setdefault(name, []).extend(keys)
        compared += len(whole)
        outcome = whole[contract.target].notna() & (whole[contract.label_time] > decided)
        seen = cut.loc[cut[contract.target].notna(), contract.key]
        told = outcome & whole[contract.key].isin(seen)
        if told.any():
            found.setdefault(contract.target, []).extend(whole.loc[told, contract.key])
        hidden += int((outcome & ~told).sum())
        if event in early:
            before = _made_at(pilot, event, decided - EARLIER, withdrawn)
            both = whole[whole[contract.key].isin(before[contract.key])]
            reached |= {name for name, _ in _compare(both, before, contract, scale)} - {contract.key}
    return Availability(
        uncut_because=None,
        moments=[(event - lead).to_pydatetime() for event in events],
        rows=compared,
        hidden=hidden,
        differing=[
            Difference(column=name, rows=len(keys), examples=[str(key) for key in keys[:EXAMPLES]])
            for name, keys in found.items()
        ],
        reached=[column.name for column in contract.request_columns if column.name in reached],
    )


def draw(rows: pd.DataFrame, contract: Contract, as_of: datetime) -> list[pd.Timestamp]:
    """Times of events, in order: one of each of ``SPREAD`` equal parts of the rows and ``NEWEST`` of the last month's.

    Within a part a hash of key and ``as_of`` decides: the same rows give the same moments, and another day others.
    """
    time = rows[contract.time].sort_values(kind="stable")
    salt = hashlib.sha256(as_of.isoformat().encode()).hexdigest()[:16]
    keys = rows[contract.key].loc[time.index].astype(str).to_numpy(object)
    drawn = pd.util.hash_array(keys, hash_key=salt, categorize=False)
    newest = np.flatnonzero(time > time.iloc[-1] - MONTH)
    spread = {
        int(part[drawn[part].argmin()]) for part in np.array_split(np.arange(len(time)), SPREAD) if len(part)
    }
    # The largest here, so that both seldom draw the same row.
    places = spread | {
        int(part[drawn[part].argmax()]) for part in np.array_split(newest, NEWEST) if len(part)
    }
    return sorted(set(time.iloc[sorted(places)]))


def read(snapshot: Path) -> Availability | None:
    """What a snapshot says of itself; None where it says nothing, or what another version understands."""
    said = read_metadata(snapshot).get(METADATA)
    try:
        return Availability.model_validate_json(said) if said else None
    except ValidationError:
        return None


def _made_at(pilot: Pilot, event: pd.Timestamp, moment: pd.Timestamp, withdrawn: Withdrawn) -> pd.DataFrame:
    """The rows of one event's time, as the source makes them at ``moment``."""
    contract = pilot.contract
    start, known_at = event.to_pydatetime(), moment.to_pydatetime()
    rows = withdrawn.leave_out(fetched(pilot, start, start + INSTANT, known_at=known_at), contract)
    try:
        rows = typed(rows, contract)
    except (KeyError, TypeError, ValueError) as error:
        raise TremplinError(
            f"{pilot.folder / 'source.py'}: fetch(..., known_at={known_at}) gave other columns, or of other types, than "
            f"without known_at: {error}. What is not known yet is a missing value."
        ) from error
    return rows[rows[contract.time] == event]


def _compare(
    whole: pd.DataFrame, cut: pd.DataFrame, contract: Contract, scale: dict[str, float]
) -> Iterable[tuple[str, list[str]]]:
    """Columns that differ, and the keys of the rows in which they do."""
    key = contract.key
    strangers = [*whole.loc[~whole[key].isin(cut[key]), key], *cut.loc[~cut[key].isin(whole[key]), key]]
    strangers += [*cut.loc[cut[key].duplicated(), key]]
    if strangers:
        yield key, strangers
    there, then = (part.drop_duplicates(key).set_index(key) for part in (whole, cut))
    there = there[there.index.isin(then.index)]
    then = then.loc[there.index]
    for column in contract.request_columns:
        if column.name in (key, contract.time):
            continue
        other = _differs(there[column.name], then[column.name], column, scale)
        if other.any():
            yield column.name, [str(name) for name in there.index[other]]


def _differs(one: pd.Series, other: pd.Series, column: Column, scale: dict[str, float]) -> NDArray[np.bool_]:
    """Where two columns of the same rows are not the same value, or one of them is missing."""
    gaps = one.isna().to_numpy(), other.isna().to_numpy()
    if column.numeric:
        first, second = (part.astype("float64").to_numpy() for part in (one, other))
        tolerance = RELATIVE * np.abs(first) + OF_LARGEST * scale[column.name]
        with np.errstate(invalid="ignore"):
            apart = ~(np.abs(first - second) <= tolerance)
    else:
        apart = ~(one == other).fillna(False).to_numpy(bool)
    differs: NDArray[np.bool_] = (gaps[0] != gaps[1]) | (apart & ~gaps[0] & ~gaps[1])
    return differs


def _largest(values: pd.Series) -> float:
    found = values.abs().max()
    return 0.0 if pd.isna(found) else float(found)
