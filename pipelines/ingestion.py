"""From the pilot's source to a snapshot: the rows as they could be known at ``as_of``.

Requirement: the graph of DVC begins at a file that says exactly what was known, and when.
Risk: an answer from the future, a month that never arrived, a column that changed its meaning.
Quality method: what became known later is erased; the contract is checked on every row; nothing replaces the last
good snapshot until the new one is whole; the source is cut at decisions, and its rows compared (``pipelines.availability``).
Evidence: ``data/<pilot>/snapshot.json``, and the metadata of ``snapshot.parquet``.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipelines.fetching import fetched
from pipelines.stages import progress, table_bytes, typed, write_json, write_whole
from pipelines.withdrawal import NOBODY, Withdrawn
from tremplin.contract import Contract, Strict
from tremplin.errors import ContractBreach, TremplinError
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.sources.reading import Origin, reading

if TYPE_CHECKING:
    import pandas as pd

MONTH_HELD = timedelta(days=7)  # a month with less of it than this in the window may honestly be empty


class SnapshotFacts(Strict):
    """``snapshot.json``: where the snapshot came from."""

    pilot: str
    as_of: datetime
    start: datetime  # of the window that was asked for; the source may begin later
    end: datetime
    rows: int
    withdrawn: int  # rows left out, for their key or subject withdrew consent
    withdrawn_unmatched: (
        int  # listed identifiers that no row had: of another pilot or time, or written otherwise
    )
    labelled: int
    pending: int  # the label became known after as_of, and was erased
    never_labelled: int  # the source knows of no label
    columns: list[str]
    origins: list[Origin]  # what fetch() read, if it read it through tremplin.api
    made_by: str  # hash of the contract, the source, the parameters and who withdrew
    sha256: str  # of snapshot.parquet


def ingest(pilot: Pilot, paths: Paths, as_of: datetime, *, withdrawn: Withdrawn = NOBODY) -> SnapshotFacts:
    """Write ``snapshot.parquet`` and ``snapshot.json`` for ``[as_of - data.window_days, as_of)``, without who has ``withdrawn``.

    The same ``as_of``, contract, source, parameters and withdrawals again do nothing.

    Raises:
        ContractBreach: the rows are not what the contract says, a month is empty, or too few rows have a label. The
            snapshot that was there stays.
        SourceAway: the source does not answer, or changed while it was read. Pages that were read are kept for the next try.
        TremplinError: the source failed, or ``as_of`` has no time zone.
    """
    if as_of.tzinfo is None:
        raise TremplinError(f"as_of {as_of} has no time zone; write it as 2013-07-01T00:00:00+00:00.")
    known = ingested(pilot, paths, as_of, withdrawn=withdrawn)
    if known:
        return known

    from pipelines import availability
    from tremplin.batch_checks import require

    start = as_of - timedelta(days=pilot.file.data.window_days)
    progress(f"fetching {pilot.name} from {start:%Y-%m-%d} to {as_of:%Y-%m-%d}")
    rows, origins = _fetch(pilot, start, as_of, paths.snapshot.with_name("pages"))
    if rows.empty:
        raise ContractBreach(
            f"The source of {pilot.name} has no row from {start:%Y-%m-%d} to {as_of:%Y-%m-%d}. Check that the data has "
            "arrived, and as_of."
        )
    # Before the contract is checked: a row kept aside for a breach, or named in an error, is a row that was used.
    unmatched = withdrawn.unmatched(rows, pilot.contract)
    fetched, rows = len(rows), withdrawn.leave_out(rows, pilot.contract)
    if rows.empty:
        raise ContractBreach(
            f"All {fetched:,} rows of {pilot.name} are of people who withdrew their consent."
        )
    left_out = fetched - len(rows)
    if left_out:
        progress(f"{left_out:,} rows left out: consent withdrawn")
    if unmatched:
        progress(
            f"{unmatched:,} of the {len(withdrawn.identifiers):,} identifiers that withdrew consent are in no row: they are of "
            "another pilot or time, or written otherwise than the source writes them"
        )
    rows = typed(require(rows, pilot.contract, paths.rejected), pilot.contract)
    _refuse_impossible_times(rows, pilot.contract, start, as_of)
    _refuse_incomplete(rows, pilot.contract)
    available = availability.measure(pilot, rows, as_of, withdrawn=withdrawn)
    rows, pending = _as_known_at(rows, pilot.contract, as_of)
    labelled = int(rows[pilot.contract.target].notna().sum())
    _refuse_gaps(rows, pilot, as_of)
    if labelled < pilot.file.data.minimum_rows:
        raise ContractBreach(
            f"Only {labelled:,} of the {len(rows):,} rows of {pilot.name} have a label known at {as_of:%Y-%m-%d}; "
            f"data.minimum_rows asks for {pilot.file.data.minimum_rows:,}. Wait for labels, or check that the source is "
            "whole."
        )
    content = table_bytes(rows, {availability.METADATA: available.model_dump_json()})
    facts = SnapshotFacts(
        pilot=pilot.name,
        as_of=as_of,
        start=start,
        end=as_of,
        rows=len(rows),
        withdrawn=left_out,
        withdrawn_unmatched=unmatched,
        labelled=labelled,
        pending=pending,
        never_labelled=len(rows) - labelled - pending,
        columns=list(rows),
        origins=origins,
        made_by=_made_by(pilot, withdrawn),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    # The facts last: cut short between the two, their hash does not fit the rows and the next run begins again.
    write_whole(paths.snapshot, content)
    write_json(paths.snapshot_facts, facts.model_dump(mode="json"))
    return facts


def ingested(
    pilot: Pilot, paths: Paths, as_of: datetime, *, withdrawn: Withdrawn = NOBODY
) -> SnapshotFacts | None:
    """The facts of the snapshot, if it is what ``ingest`` would make now: the source need not be asked again."""
    known = read_facts(paths)
    same = (
        known
        and (known.as_of, known.made_by) == (as_of, _made_by(pilot, withdrawn))
        and _digest(paths.snapshot) == known.sha256
    )
    return known if same else None


def read_facts(paths: Paths) -> SnapshotFacts | None:
    """The facts of the snapshot that is there; None where there is none, or one of another version."""
    try:
        return SnapshotFacts.model_validate_json(paths.snapshot_facts.read_bytes())
    except (OSError, ValidationError):
        return None


def _made_by(pilot: Pilot, withdrawn: Withdrawn) -> str:
    digest = hashlib.sha256(json.dumps(pilot.file.data.model_dump(), sort_keys=True).encode())
    for name in ("contract.yaml", "source.py"):
        digest.update(hashlib.sha256((pilot.folder / name).read_bytes()).digest())
    digest.update(withdrawn.digest.encode())
    return digest.hexdigest()


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _fetch(pilot: Pilot, start: datetime, end: datetime, pages: Path) -> tuple[pd.DataFrame, list[Origin]]:
    """The source's rows, and where they came from; ``pages`` holds what a source that is away had already given."""
    with reading(pages) as opened:
        return fetched(pilot, start, end), opened.origins


def _refuse_impossible_times(rows: pd.DataFrame, contract: Contract, start: datetime, end: datetime) -> None:
    """Events lie in the window that was asked for, and no label was known before its event."""
    time, known_at = rows[contract.time], rows[contract.label_time]
    for wrong, what in (
        (
            (time < start) | (time >= end),
            f"lie outside of the window {start:%Y-%m-%d} to {end:%Y-%m-%d} that fetch() was asked for",
        ),
        (
            known_at < time,
            f"have a {contract.label_time} before their {contract.time}: the outcome of what had not happened",
        ),
    ):
        if wrong.any():
            raise ContractBreach(
                f"{int(wrong.sum()):,} rows {what}{_keys(rows[wrong], contract)}. Mend source.py."
            )


def _keys(rows: pd.DataFrame, contract: Contract) -> str:
    """Which rows, by some of their keys; nothing where a key is a person's."""
    if contract.column(contract.key).of_people:
        return ""
    return f": {', '.join(rows[contract.key].astype(str).head(3))}"


def _refuse_incomplete(rows: pd.DataFrame, contract: Contract) -> None:
    """Taken together, no column is emptier or fuller than agreed; a hole at one site in one week is the gate's."""
    from tremplin.batch_checks import incomplete

    breaches = incomplete(rows, contract)
    if breaches:
        said = "\n".join(f"  {breach}" for breach in breaches)
        raise ContractBreach(
            f"The delivery of {len(rows):,} rows is not as complete as the contract {contract.name!r} says:\n{said}\n"
            "Nothing was taken over."
        )


def _as_known_at(rows: pd.DataFrame, contract: Contract, as_of: datetime) -> tuple[pd.DataFrame, int]:
    """The rows without the labels that became known after ``as_of``, and how many those are."""
    target, known_at = rows[contract.target], rows[contract.label_time]
    undated = target.notna() & known_at.isna()
    if undated.any():
        raise ContractBreach(
            f"{int(undated.sum()):,} rows have a label in {contract.target} and no {contract.label_time}, so nobody can "
            f"say since when it is known{_keys(rows[undated], contract)}. Mend the source."
        )
    later = known_at > as_of
    rows = rows.assign(**{contract.target: target.mask(later), contract.label_time: known_at.mask(later)})
    return rows, int((later & target.notna()).sum())


def _refuse_gaps(rows: pd.DataFrame, pilot: Pilot, end: datetime) -> None:
    """From the first row on, every month of which the window holds a week has rows."""
    import pandas as pd

    zone = pilot.file.data.timezone
    local = rows[pilot.contract.time].dt.tz_convert(zone).dt.tz_localize(None)
    last = pd.Timestamp(end).tz_convert(zone).tz_localize(None)
    found = set(local.dt.to_period("M"))
    months = pd.period_range(local.min(), last, freq="M")
    empty = [str(m) for m in months if m not in found and min(m.end_time, last) - m.start_time >= MONTH_HELD]
    if empty:
        raise ContractBreach(
            f"The source of {pilot.name} has no row in {', '.join(empty)}, between {local.min():%Y-%m-%d} and "
            f"{last:%Y-%m-%d}. A month that did not arrive is not a quiet month: bring it, or start the window after it."
        )
