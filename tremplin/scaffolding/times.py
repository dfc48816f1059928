"""How a file writes times as text."""

from __future__ import annotations

import pandas as pd

FORMS = [  # those of one file that fit every value are taken in this order
    "ISO8601",
    *(f"{day}{clock}" for day in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y")
      for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")),
]  # fmt: skip


def forms(different: pd.Series) -> list[str]:
    """The forms, for ``pandas.to_datetime``, by which every value is a time; none where there is none."""
    if not different.str.len().between(8, 35).all() or not different.str.contains(r"\d").all():
        return []
    return [form for form in FORMS if _parses(different, form)]


def zoned(different: pd.Series, form: str) -> bool:
    """Whether every value says its zone."""
    return form == "ISO8601" and bool(different.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all())


def _parses(different: pd.Series, form: str) -> bool:
    if form == "ISO8601" and not different.str.match(r"\d{4}-?\d{2}-?\d{2}").all():
        return False
    try:
        times = pd.to_datetime(different, format=form, utc=True)
    except (ValueError, OverflowError):
        return False
    return bool(times.dt.year.between(1700, 2199).all())
