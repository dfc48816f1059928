"""How differently groups of people are treated: the statistics that the gate and monitoring share.

Four measures of a group, each minus that of everyone else: how many are selected, true positives, false positives, and
calibration. Of amounts, which decide nothing, two: the mean answer, and calibration. Where groups differ in how often the target
is true, they cannot all be equal (Chouldechova 2017, "Fair prediction with disparate impact", Big Data 5(2); Kleinberg,
Mullainathan and Raghavan 2017, "Inherent trade-offs in the fair determination of risk scores", ITCS): the charter says which are
limited and why, and the others are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tremplin.charter import FairnessMeasure
from tremplin.column import Column
from tremplin.comparison import Bootstrap, Floats, Integers
from tremplin.gaps import NAMES, Gap
from tremplin.groups import grouping, simultaneous
from tremplin.pilot_file import Limits

# What a measure is counted in, and what there must be enough of.
COUNTED: dict[FairnessMeasure, str] = {
    "selection_rate": "rows",
    "true_positive_rate": "positives",
    "false_positive_rate": "negatives",
    "mean_answer": "rows",
    "calibration": "outcomes",
}


class Sides(NamedTuple):
    """A measure's numerator and denominator, and what there must be enough of; of each row, or added up by day."""

    over: Floats
    under: Floats
    counted: Floats


@dataclass(frozen=True)
class Answers:
    """What people were answered, and what was true; each of shape (n,)."""

    labels: Floats  # on the unit interval (0 or 1 of yes or no), NaN where it is not known
    scores: Floats  # on the unit interval
    decisions: NDArray[np.bool_] | None  # None of amounts, which decide nothing
    days: Integers  # local day, 0, 1, 2...

    @property
    def sides(self) -> dict[FairnessMeasure, Sides]:
        """Of each measure, shape (n,) each; the first counts rows."""
        known = np.isfinite(self.labels).astype(np.float64)
        label = np.where(known, self.labels, 0.0)
        calibration = Sides(label, self.scores * known, known)
        ones = np.ones_like(known)
        if self.decisions is None:
            return {"mean_answer": Sides(self.scores, ones, ones), "calibration": calibration}
        flagged, negative = self.decisions.astype(np.float64), known - label
        return {
            "selection_rate": Sides(flagged, ones, ones),
            "true_positive_rate": Sides(flagged * label, label, label),
            "false_positive_rate": Sides(flagged * negative, negative, negative),
            "calibration": calibration,
        }


@dataclass(frozen=True)
class TooSmall:
    """A group, or everyone else, of whom there are too few for a measure; for all measures where ``measure`` is None."""

    column: str
    group: str
    measure: FairnessMeasure | None
    count: int
    what: str  # is counted

    @property
    def place(self) -> str:
        """Group and measure in words."""
        return f"{self.column}={self.group}{f' {NAMES[self.measure]}' if self.measure else ''}"

    def __str__(self) -> str:
        measure = f"{NAMES[self.measure]}: " if self.measure else ""
        return f"{self.column}={self.group} ({measure}{self.count:,} {self.what})"


@dataclass(frozen=True)
class Judged:
    """The gaps that can be judged, and what cannot."""

    gaps: list[Gap]
    small: list[TooSmall]


def judged_gaps(
    answers: Answers,
    people: pd.DataFrame,
    columns: Sequence[Column],
    *,
    minimum_rows: int,
    limits: dict[FairnessMeasure, Limits],
    how: Bootstrap,
) -> Judged:
    """Compare every group with everyone else, in every measure; the intervals hold for all gaps at once.

    Args:
        people: ``columns``, one row for each of ``answers``.
        minimum_rows: what a group needs, and everyone else, who are half of each gap: rows, positives for their rate, negatives
            for theirs, outcomes for calibration.
        limits: by measure, then by column.
    """
    if not len(answers.days):
        return Judged([], [])
    weights = how.weights(int(answers.days.max()) + 1)
    first = next(iter(answers.sides))  # counts rows
    small: list[TooSmall] = []
    found: list[dict[str, Any]] = []
    draws: list[Floats] = []
    for compared in _comparisons(answers, people, columns):
        if few := compared.too_few(first, minimum_rows):  # too few rows are too few of everything
            small.append(replace(few, measure=None))
            continue
        for measure in compared.here:
            if few := compared.too_few(measure, minimum_rows):
                small.append(few)
                continue
            own, theirs = compared.rates(measure, np.ones((1, weights.shape[1])))
            drawn = compared.rates(measure, weights)
            found.append(
                {
                    "column": compared.column,
                    "group": compared.group,
                    "measure": measure,
                    "rows": int(compared.here[first].counted.sum()),
                    "own": own[0],
                    "value": own[0] - theirs[0],
                    "limit": limits.get(measure, {}).get(compared.column),
                }
            )
            draws.append(drawn[0] - drawn[1])
    values = np.array([gap["value"] for gap in found])
    low, high = simultaneous(values, np.array(draws).T, how)
    gaps = [Gap(**gap, low=least, high=most) for gap, least, most in zip(found, low, high, strict=True)]
    return Judged(gaps, small)


@dataclass(frozen=True)
class _Comparison:
    """A group and everyone else: of each measure the sums by day."""

    column: str
    group: str
    here: dict[FairnessMeasure, Sides]
    rest: dict[FairnessMeasure, Sides]

    def too_few(self, measure: FairnessMeasure, minimum: int) -> TooSmall | None:
        """What there is too little of, if there is."""
        for side, whose in ((self.here, ""), (self.rest, " of everyone else")):
            count = int(side[measure].counted.sum())
            if count < minimum:
                return TooSmall(self.column, self.group, measure, count, COUNTED[measure] + whose)
        return None

    def rates(self, measure: FairnessMeasure, weights: Floats) -> tuple[Floats, Floats]:
        """The measure of the group and of everyone else in each weighting of the days, shape (weightings,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            own, theirs = (
                (weights @ side[measure].over) / (weights @ side[measure].under)
                for side in (self.here, self.rest)
            )
        return own, theirs


def _comparisons(answers: Answers, people: pd.DataFrame, columns: Sequence[Column]) -> Iterator[_Comparison]:
    for column in columns:
        cut = grouping(people, [column])
        if len(cut.names) == 1:  # there is nobody else
            continue
        sums = {
            measure: [cut.by_day(values, answers.days) for values in sides]  # shape (days, groups) each
            for measure, sides in answers.sides.items()
        }
        for code, (group,) in enumerate(cut.names):
            yield _Comparison(
                column.name,
                group,
                {measure: Sides(*(part[:, code] for part in three)) for measure, three in sums.items()},
                {
                    measure: Sides(*(part.sum(axis=1) - part[:, code] for part in three))
                    for measure, three in sums.items()
                },
            )
