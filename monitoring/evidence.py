"""What was measured of a window: the record that the decision reads and that is kept as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tremplin.contract import Strict
from tremplin.errors import TremplinError
from tremplin.gaps import Gap
from tremplin.target import Task


class Measure(Strict):
    """A value and its bounds. Each bound holds with the pilot's confidence, since each question asked of them has one side."""

    value: float
    low: float
    high: float


class Measures(Strict):
    """Performance of answers of yes or no whose outcome is known."""

    roc_auc: Measure
    brier: Measure
    calibration_ratio: Measure  # observed positives / expected (the sum of scores)
    precision: Measure | None  # None where nothing was flagged
    recall: Measure
    cost_per_row: Measure  # in the charter's currency, at the decisions that were given

    @property
    def task(self) -> Task:
        """What was predicted."""
        return Task.CLASSIFICATION

    @property
    def ranking(self) -> Measure:
        """Share of pairs of rows that are ranked right."""
        return self.roc_auc


class AmountMeasures(Strict):
    """Performance of answered amounts whose outcome is known."""

    concordance: Measure
    squared_error: Measure  # of the unit interval, as a Brier score
    calibration_ratio: Measure  # observed / expected, both on the unit interval
    mae: Measure  # this and the next two: in the target's own unit
    rmse: Measure
    bias: Measure  # mean of answer minus outcome: above 0 it says too much
    cost_per_row: Measure  # in the charter's currency

    @property
    def task(self) -> Task:
        """What was predicted."""
        return Task.REGRESSION

    @property
    def ranking(self) -> Measure:
        """Share of pairs of rows that are ranked right."""
        return self.concordance


AnyMeasures = Measures | AmountMeasures


class SitePerformance(Strict):
    """The same of one site."""

    rows: int
    labelled: int
    measures: AnyMeasures | None
    why_not: str | None  # why nothing is measured


class PerformanceEvidence(Strict):
    """Performance of a window against the evaluation of the release that answered."""

    rows: int
    labelled: int
    never_labelled: float | None  # share of rows without a label although the window is over
    minimum_rows: int
    measures: AnyMeasures | None
    why_not: str | None
    evaluation: dict[
        str, Measure
    ]  # ranking, loss (``Task``) and observed_expected at the release's evaluation
    confidence: float  # of each bound: between two bounds of .95 the truth lies with .90
    sites: dict[str, SitePerformance]


class ColumnDrift(Strict):
    """How far one column moved from the training rows."""

    method: Literal["psi", "jensenshannon"]
    effect: float | None  # None where there are too few values to compare
    missing_effect: float  # PSI of present against missing
    drifted: bool


class DriftEvidence(Strict):
    """How far the features moved from the training rows. No word about the model being worse."""

    rows: int
    why_not: str | None
    threshold: float
    columns: dict[str, ColumnDrift]
    share_drifted: float
    drifted: bool

    @property
    def moved(self) -> list[str]:
        """Names of the columns that drifted."""
        return [name for name, column in self.columns.items() if column.drifted]


class LiveGap(Gap):
    """A gap as it was published: counts rounded to the pilot's smallest group, measures to three digits."""

    over: str  # the days that it was measured over: the window, or the stretch that ends with it

    @property
    def surely(self) -> float:
        """What the gap is at least, without its sign; 0 where it may be none."""
        return max(self.low, -self.high, 0.0)


class FairnessEvidence(Strict):
    """How groups of people were answered. Of groups that are too small nothing is here, and of very small ones not the name."""

    answers: int
    joined: int  # with the protected columns; who withdrew, or is not known to the source, is not
    minimum_rows: int
    confidence: float  # that every interval of the window, or of the stretch before it, holds
    gaps: list[LiveGap]
    small: list[str]  # groups and measures with too few people
    why_not: str | None


class WindowEvidence(Strict):
    """Everything measured of one window, for the release that was champion."""

    pilot: str
    window: str
    start: datetime
    end: datetime
    as_of: datetime
    release_id: str
    answers: dict[str, int]  # by release: what a rollout took from the champion is not judged as its own
    performance: PerformanceEvidence
    drift: DriftEvidence
    fairness: FairnessEvidence | None = None  # None for a pilot without a protected column


def read_history(folder: Path) -> list[WindowEvidence]:
    """Every ``<window>.json`` of ``folder``, in order of time.

    Raises:
        TremplinError: a file is not evidence of this version.
    """
    history = []
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith("-evidently.json"):
            continue
        try:
            history.append(WindowEvidence.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise TremplinError(
                f"{path} is not evidence of this version of Tremplin ({error.error_count()} faults; the first: "
                f"{error.errors()[0]['msg']}). Monitor the window again: the file is rewritten."
            ) from None
    return sorted(history, key=lambda evidence: evidence.end)
