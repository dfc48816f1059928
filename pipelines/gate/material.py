"""What the gate's checks look at, and what each of them is: a function from it to one line of the verdict.

A measurement that does not exist (NaN) never passes: comparisons with it are false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from pipelines.verdict import Check
from tremplin.comparison import Bootstrap, Floats, Integers
from tremplin.pilot import Pilot


@dataclass(frozen=True)
class Material:
    """What the checks look at. Every array has one entry a row of ``evaluation``."""

    pilot: Pilot
    as_of: datetime
    train: pd.DataFrame
    evaluation: pd.DataFrame
    audit: pd.DataFrame  # what is held apart, one row for each of evaluation's; for fairness alone
    labels: Floats  # 0 or 1
    days: Integers  # local day
    scores: Floats  # of model.onnx
    trained: Floats  # of pipeline.pkl
    baseline: Floats  # of baseline.pkl
    champion: str | None
    champion_scores: Floats | None
    champion_fault: str | None  # why the champion could not be scored
    how: Bootstrap

    @property
    def brier(self) -> Floats:
        """The model's loss on each row."""
        losses: Floats = (self.scores - self.labels) ** 2
        return losses

    @property
    def sampled(self) -> str:
        """How an interval came about, in words."""
        return f"{self.how.samples:,} paired samples of {int(self.days.max()) + 1} days"


CheckFunction = Callable[[Material], Check]
