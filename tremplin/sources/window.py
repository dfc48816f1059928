"""The stretch of time that a source is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

from tremplin.errors import TremplinError


def require_window(start: datetime, end: datetime) -> None:
    """Both have a zone, and something lies between them."""
    if start.tzinfo is None or end.tzinfo is None:
        raise TremplinError(
            f"The window {start} to {end} has no time zone; fetch() is given aware times: pass them on."
        )
    if not start < end:
        raise TremplinError(f"The window {start} to {end} is empty: start must come before end.")


def periods(start: datetime, end: datetime, zone: tzinfo) -> Iterator[dict[str, str]]:
    """The days that ``[start, end)`` touches in a zone, in order: ``year``, ``month`` (2024-05) and ``day`` (2024-05-31)."""
    day, last = start.astimezone(zone).date(), (end - timedelta(microseconds=1)).astimezone(zone).date()
    while day <= last:
        yield {"year": f"{day:%Y}", "month": f"{day:%Y-%m}", "day": f"{day:%Y-%m-%d}"}
        day += timedelta(days=1)
