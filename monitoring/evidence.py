"""What was measured of a window: the record that the decision reads and that is kept as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tremplin.contract import Strict
from tremplin.errors import TremplinError


class Measure(Strict):
    """A value and its bounds. Each bound holds with the pilot's confidence, since each question asked of them has one side."""

    value: float
    low: float
    high: float


class Measures(Strict):
    """Performance of answers whose outcome is known."""

    roc_auc: Measure
    brier: Measure
    calibration_ratio: Measure  # observed positives / expected (the sum of scores)
    precision: Measure | None  # None where nothing was flagged
    recall: Measure
    cost_per_row: Measure  # in the charter's currency, at the decisions that were given


class SitePerformance(Strict):
    """The same of one site."""

    rows: int
    labelled: int
    measures: Measures | None
    why_not: str | None  # why nothing is measured


class PerformanceEvidence(Strict):
    """Performance of a window against the evaluation of the release that answered."""

    rows: int
    labelled: int
    never_labelled: float | None  # share of rows without a label although the window is over
    minimum_rows: int
    measures: Measures | None
    why_not: str | None
    evaluation: dict[str, float]  # roc_auc and brier at the release's evaluation
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
