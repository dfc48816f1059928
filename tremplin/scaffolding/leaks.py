"""Columns that may have been written after the answer was known. A person confirms."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from tremplin.column import Column

SingleAuc = Callable[[Column, pd.DataFrame, pd.DataFrame, str], float]
"""How well one column ranks rows (second table) by what another table says of it: the gate's own rule."""

ENOUGH = 20  # rows of either answer below which nothing is said
NAMED = re.compile(r"(?:^|_)(?:predict(?:ed|ion)s?|y_(?:pred|hat|true)|ground_truth|outcome|label)(?:_|$)")
CHANCE = 1e-6  # that so many rows have one answer by luck


def suspected_leak(
    column: Column, rows: pd.DataFrame, target: str, *, single_auc: SingleAuc, limit: float
) -> str | None:
    """Why a column seems to know the answer; None where nothing is seen. ``rows`` are in order of time."""
    if NAMED.search(column.name):
        return "its name says that it is an answer, or another model's"
    values, answers = rows[column.name], rows[target]
    known = answers.notna()
    unknown = int((~known).sum())
    if unknown >= ENOUGH and not values[~known].notna().any() and float(values[known].notna().mean()) > 0.5:
        return f"filled only once {target} is known"
    labelled = rows[known]
    yes = labelled[target].astype(bool)
    filled = labelled[column.name].notna()
    if filled.any() and not filled.all():
        share, among = float(yes.mean()), yes[filled]
        for one, rate in ((True, share), (False, 1 - share)):
            if bool((among == one).all()) and rate ** len(among) < CHANCE:
                return f"filled only where {target} is {str(one).lower()}"
    found = alone(column, rows, target, single_auc)
    return (
        f"alone it tells {target} with an AUC of {found:.2f}" if found is not None and found > limit else None
    )


def alone(column: Column, rows: pd.DataFrame, target: str, single_auc: SingleAuc) -> float | None:
    """How well a column alone tells the target on the last quarter of the rows; None where there are too few."""
    earlier, later = _parts(rows[rows[target].notna()], target)
    return None if earlier is None or later is None else single_auc(column, earlier, later, target)


def _parts(labelled: pd.DataFrame, target: str) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The first three quarters and the last; where either answer is rare in one of them, every other row."""
    cut = len(labelled) * 3 // 4
    for earlier, later in (
        (labelled.iloc[:cut], labelled.iloc[cut:]),
        (labelled.iloc[::2], labelled.iloc[1::2]),
    ):
        counts = [
            int((part[target] == answer).sum()) for part in (earlier, later) for answer in (True, False)
        ]
        if min(counts) >= ENOUGH:
            return earlier, later
    return None, None
