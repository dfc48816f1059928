"""Whether a challenger can answer what callers of the champion ask, by the contracts of both."""

from __future__ import annotations

from collections.abc import Sequence

from tremplin.column import Column
from tremplin.column_words import expected
from tremplin.contract import Contract
from tremplin.coverage import Segment
from tremplin.errors import TremplinError


def columns_read(
    asked_by: Contract, answered_by: Contract, segments: Sequence[Segment], *, champion: str, challenger: str
) -> tuple[list[Column], list[Column]]:
    """The columns that a challenger reads: as callers of the champion send them, and as it reads them, in the same order.

    Args:
        asked_by: the champion's contract; ``answered_by``: the challenger's.
        segments: the challenger's, whose columns it reads besides its features.
        champion: names the release to people; so does ``challenger``.

    Raises:
        TremplinError: it answers something else, or needs a column that callers do not send, or mean otherwise.
    """
    asked, answered = _question(asked_by), _question(answered_by)
    if asked != answered:
        raise TremplinError(
            f"The challenger {challenger} answers {answered}, and callers of the champion {champion} ask for {asked}. "
            "Make a champion with the new contract first."
        )
    known = {column.name: column for column in asked_by.request_columns}
    used = [feature.name for feature in answered_by.features]
    used += [name for segment in segments for name in segment.columns]
    needed = [answered_by.column(name) for name in dict.fromkeys(used)]
    missing = [column.name for column in needed if column.name not in known]
    if missing:
        raise TremplinError(
            f"The challenger {challenger} needs {', '.join(missing)}, which callers of the champion {champion} do not "
            "send. First release a model whose contract has them without the tag `feature`: callers then send them."
        )
    sent = [known[column.name] for column in needed]
    told = [_other_meaning(theirs, ours) for theirs, ours in zip(sent, needed, strict=True)]
    if faults := "; ".join(fault for fault in told if fault):
        raise TremplinError(
            f"The challenger {challenger} does not read what callers of the champion {champion} send: {faults}. Train it "
            "on what they send, in their units; a column that is to mean something else needs a name of its own."
        )
    return sent, needed


def _other_meaning(sent: Column, read: Column) -> str | None:
    """How a column means something else to who reads it (type, unit), in words; None where it does not."""
    if (sent.logicalType, sent.unit) == (read.logicalType, read.unit):
        return None
    return f"{sent.name} is {expected(sent)}, and its contract says {expected(read)}"


def _question(contract: Contract) -> str:
    """What is predicted, in words that differ where a caller would read an answer wrongly."""
    target = contract.column(contract.target)
    unit = f" in {target.unit}" if target.unit else ""
    return f"{target.name} ({contract.task}{unit})"
