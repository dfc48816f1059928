"""Many groups of rows looked at together: who is in which, and intervals that hold for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tremplin.comparison import Bootstrap, Floats, Integers
from tremplin.contract import Column
from tremplin.coverage import group_of


@dataclass(frozen=True)
class Grouping:
    """The groups that some columns cut rows into."""

    columns: list[str]
    names: list[tuple[str, ...]]  # of each group, one for each column, in order
    codes: Integers  # the group of each row

    def by_day(self, values: Floats, days: Integers) -> Floats:
        """Sums of ``values`` by day and group, shape (days, groups)."""
        shape = int(days.max()) + 1, len(self.names)
        cells = np.bincount(days * shape[1] + self.codes, weights=values, minlength=shape[0] * shape[1])
        return cells.astype(np.float64).reshape(shape)


def grouping(rows: pd.DataFrame, columns: list[Column]) -> Grouping:
    """Cut ``rows`` by the values of ``columns``, or by their bands."""
    named = pd.DataFrame({column.name: _names(rows[column.name], column) for column in columns})
    groups = named.groupby([column.name for column in columns], sort=True)
    codes: Integers = groups.ngroup().to_numpy().astype(np.int64)
    first = np.unique(codes, return_index=True)[1]
    names = list(named.iloc[first].itertuples(index=False, name=None))
    return Grouping([column.name for column in columns], names, codes)


def _names(values: pd.Series, column: Column) -> NDArray[np.object_]:
    codes, different = pd.factorize(values)
    names = [group_of(column, value) for value in different] + [group_of(column, None)]  # code -1 is the last
    return np.array(names, dtype=object)[codes]


def simultaneous(values: Floats, drawn: Floats, how: Bootstrap) -> tuple[Floats, Floats]:
    """Both ends of intervals around ``values`` (k,), from their bootstrap draws (samples, k), that hold for all at once.

    The largest standardised deviation over all values is drawn, and its quantile is the half-width of each in standard errors
    (sup-t; Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple hypothesis testing", JASA 100; Montiel
    Olea and Plagborg-Møller 2019, J. Applied Econometrics 34). Groups overlap and mirror each other (what one of two gains
    the other loses): their draws say how much, where Bonferroni would count each anew and ask for tails that a thousand draws
    do not have. A value that does not exist in half of the draws has no bounds.
    """
    if not len(values):
        return values, values
    seen = np.isfinite(drawn).mean(axis=0) >= 0.5
    kept = np.where(np.isfinite(drawn) & seen, drawn, values)
    errors = kept.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = np.where(errors > 0, np.abs(kept - values) / errors, 0.0)
    half = np.where(seen, np.quantile(deviations.max(axis=1), how.confidence) * errors, np.inf)
    return values - half, values + half
