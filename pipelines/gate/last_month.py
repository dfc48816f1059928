"""What a check of the data would have refused last month: a number by which a director knows how strict it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class LastMonth:
    """The last full month of some rows, by their local days."""

    name: str | None  # None where no month is in them from its first day to its last
    rows: NDArray[np.bool_]  # which of them are in it, shape (n,)

    @staticmethod
    def of(times: pd.Series, timezone: str) -> LastMonth:
        """Of the times of the rows, in any order."""
        local = times.dt.tz_convert(timezone).dt.tz_localize(None)
        first, last = local.min().normalize(), local.max().normalize()
        months = pd.period_range(first, last, freq="M")
        full = [month for month in months if month.start_time >= first and month.end_time.normalize() <= last]
        if not full:
            return LastMonth(None, np.zeros(len(times), dtype=bool))
        inside = local.between(full[-1].start_time, full[-1].end_time)
        return LastMonth(f"{full[-1].start_time:%B %Y}", inside.to_numpy(dtype=bool))

    def would_have_refused(self, refused: NDArray[np.bool_]) -> str:
        """The share of the month's rows that are ``refused``, shape (n,), in words."""
        return self.would_have_refused_share(float(refused[self.rows].mean()) if self.rows.any() else 0.0)

    def would_have_refused_share(self, share: float) -> str:
        """A share of the month's rows, in words."""
        if self.name is None:
            return "there is no full month to say what it would have refused"
        return f"would have refused {share:.2%} of the rows of {self.name}"
