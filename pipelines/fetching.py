"""The pilot's source asked for rows: those of a window, or the same made of what was known at a moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tremplin.errors import SourceAway, TremplinError
from tremplin.pilot import Pilot
from tremplin.pilot_code import KNOWN_AT

if TYPE_CHECKING:
    import pandas as pd


def fetched(
    pilot: Pilot, start: datetime, end: datetime, *, known_at: datetime | None = None
) -> pd.DataFrame:
    """What the pilot's ``fetch`` gives for ``[start, end)``; with ``known_at``, of what was known then alone.

    Raises:
        SourceAway: the source does not answer.
        TremplinError: ``fetch`` failed, or gave no table of distinct columns.
    """
    path, said = pilot.folder / "source.py", f", known_at={known_at}" if known_at else ""
    try:
        rows: pd.DataFrame = pilot.source.fetch(start, end, **({KNOWN_AT: known_at} if known_at else {}))
    except TremplinError:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise SourceAway(f"{path}: the source does not answer ({error}). Try again later.") from error
    except Exception as error:
        what = f"fetch({start}, {end}{said})" if known_at else "fetch()"
        hint = (
            "Every row must be made of what was known at that moment, whatever is missing then"
            if known_at
            else "Mend the source or bring its data again"
        )
        raise TremplinError(
            f"{path}: {what} failed with {type(error).__name__}: {error}. {hint}; `--debug` shows where it failed."
        ) from error
    if not hasattr(rows, "columns"):
        raise TremplinError(f"{path}: fetch() gave a {type(rows).__name__}, not a DataFrame.")
    if twice := sorted(rows.columns[rows.columns.duplicated()]):
        raise TremplinError(f"{path}: fetch() gave these columns twice: {', '.join(twice)}.")
    return rows
