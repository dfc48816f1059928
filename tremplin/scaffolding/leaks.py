"""Columns that may have been written after the answer was known. A person confirms."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from tremplin.column import Column
from tremplin.scaffolding.window import Window

SingleAuc = Callable[[Column, pd.DataFrame, pd.DataFrame, str], float]
"""How well one column ranks rows (second table) by what another table says of it: the gate's own rule."""

ENOUGH = 20  # rows of either answer, or with an amount, below which nothing is said
NAMED = re.compile(r"(?:^|_)(?:predict(?:ed|ion)s?|y_(?:pred|hat|true)|ground_truth|outcome|label)(?:_|$)")
CHANCE = 1e-6  # that so many rows have one answer by luck


def suspected_leak(
    column: Column, rows: pd.DataFrame, cut: Window, target: str, *, single_auc: SingleAuc, limit: float
) -> str | None:
    """Why a column seems to know the answer; None where nothing is seen."""
    if NAMED.search(column.name):
        return "its name says that it is an answer, or another model's"
    values, answers = rows[column.name], rows[target]
    known = answers.notna()
    unknown = int((~known).sum())
    if unknown >= ENOUGH and not values[~known].notna().any() and float(values[known].notna().mean()) > 0.5:
        return f"filled only once {target} is known"
    labelled = rows[known]
    yes_or_no = _yes_or_no(answers)
    if yes_or_no and (
        one := _filled_only_where(labelled[column.name].notna(), labelled[target].astype(bool))
    ):
        return f"filled only where {target} is {one}"
    found = alone(column, cut, target, single_auc)
    measure = "an AUC" if yes_or_no else "a concordance"
    return (
        f"alone it tells {target} with {measure} of {found:.2f}"
        if found is not None and found > limit
        else None
    )


def _yes_or_no(answers: pd.Series) -> bool:
    return bool(pd.api.types.is_bool_dtype(answers))


def _filled_only_where(filled: pd.Series, yes: pd.Series) -> str | None:
    """The one answer of all rows that have a value, where that is no luck."""
    if filled.any() and not filled.all():
        share, among = float(yes.mean()), yes[filled]
        for one, rate in ((True, share), (False, 1 - share)):
            if bool((among == one).all()) and rate ** len(among) < CHANCE:
                return str(one).lower()
    return None


def alone(column: Column, cut: Window, target: str, single_auc: SingleAuc) -> float | None:
    """How well a column alone tells the target, as the gate would measure it; None where there are too few rows.

    Where either answer is rare in one of the parts, of every two rows one says what is known of the other.
    """
    labelled = pd.concat([cut.train, cut.evaluation])
    for known, asked in ((cut.train, cut.evaluation), (labelled.iloc[::2], labelled.iloc[1::2])):
        if min(_fewest(known[target]), _fewest(asked[target])) >= ENOUGH:
            return single_auc(column, known, asked, target)
    return None


def _fewest(answers: pd.Series) -> int:
    """Rows of the rarer answer; of an amount, all."""
    if not _yes_or_no(answers):
        return len(answers)
    return min(int((answers == answer).sum()) for answer in (True, False))
