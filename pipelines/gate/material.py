"""What the gate's checks look at, and what each of them is: a function from it to one line of the verdict.

A measurement that does not exist (NaN) never passes: comparisons with it are false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from pipelines.availability import Availability
from pipelines.verdict import Check
from tremplin.comparison import Bootstrap, Floats, Integers
from tremplin.frame import model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot
from tremplin.settings import Settings


@dataclass(frozen=True)
class Material:
    """What the checks look at. Every array has one entry a row of ``evaluation``."""

    pilot: Pilot
    settings: Settings
    as_of: datetime
    look: int  # 1 for the first model that is judged on these evaluation days, 2 for the next...
    train: pd.DataFrame
    evaluation: pd.DataFrame
    audit: pd.DataFrame  # what is held apart, one row for each of evaluation's; for fairness alone
    availability: Availability | None  # None: the snapshot does not say
    labels: Floats  # 0 or 1
    days: Integers  # local day
    scores: Floats  # of model.onnx
    trained: Floats  # of pipeline.pkl
    baseline: Floats  # of baseline.pkl
    champion: str | None
    champion_scores: Floats | None
    champion_fault: str | None  # why the champion could not be scored
    how: Bootstrap
    frame: pd.DataFrame  # the features of ``evaluation`` as the model sees them
    model_path: Path  # model.onnx
    model: OnnxModel
    pipeline: Pipeline  # pipeline.pkl

    @cached_property
    def train_frame(self) -> pd.DataFrame:
        """The features of ``train`` as the model sees them."""
        return model_frame(self.train, self.pilot.contract)

    @cached_property
    def train_labels(self) -> Floats:
        """0 or 1, one entry a row of ``train``."""
        labels: Floats = self.train[self.pilot.contract.target].to_numpy(np.float64)
        return labels

    def fitted_on(self, rows: NDArray[np.bool_]) -> Pipeline:
        """The model's own recipe, fitted on some of the training rows only; with one thread, whatever the pilot says."""
        alike = clone(self.pipeline)
        alike.set_params(
            **{name: 1 for name, value in alike.get_params().items() if name.endswith("n_jobs") and value}
        )
        return alike.fit(self.train_frame[rows], self.train_labels[rows].astype(np.int64))

    @property
    def brier(self) -> Floats:
        """The model's loss on each row."""
        losses: Floats = (self.scores - self.labels) ** 2
        return losses

    @property
    def sampled(self) -> str:
        """How an interval came about, in words."""
        return f"{self.how.samples:,} paired samples of {int(self.days.max()) + 1} days"


def probabilities(fitted: Pipeline, frame: pd.DataFrame) -> Floats:
    """What a fitted pipeline says of each row: the probability of the target, shape (n,)."""
    said: Floats = np.asarray(fitted.predict_proba(frame), dtype=np.float64)[:, 1]
    return said


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """Positions of at most ``most`` of ``count`` rows, evenly over them: a sample without chance."""
    return np.arange(0, count, max(1, -(-count // most)))


CheckFunction = Callable[[Material], Check]
