"""What the gate's checks look at, and what each of them is: a function from it to one line of the verdict.

A measurement that does not exist (NaN) never passes: comparisons with it are false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from pipelines.availability import Availability
from pipelines.fitting import labels_of, predict, targets
from pipelines.gate.last_month import LastMonth
from pipelines.remaking import Remade
from pipelines.verdict import Check
from tremplin.comparison import Bootstrap, Floats, Integers
from tremplin.frame import model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot
from tremplin.settings import Settings
from tremplin.target import Task


@dataclass(frozen=True)
class Material:
    """What the checks look at. Every array has one entry a row of ``evaluation``."""

    pilot: Pilot
    settings: Settings
    as_of: datetime
    look: int  # 1 for the first model that is judged on these evaluation days, 2 for the next...
    remade: Callable[[], Remade] | None  # waits for what came of making the model again; None: nobody did
    train: pd.DataFrame
    evaluation: pd.DataFrame
    audit: pd.DataFrame  # what is held apart, one row for each of evaluation's; for fairness alone
    availability: Availability | None  # None: the snapshot does not say
    labels: Floats  # on the unit interval (tremplin.target), as all that follow: 0 or 1, or an amount within its range
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
    def rows(self) -> pd.DataFrame:
        """Every row that trained or evaluated the model, those of the training first."""
        return pd.concat([self.train, self.evaluation], ignore_index=True)

    @cached_property
    def last_month(self) -> LastMonth:
        """The last full month of ``rows``."""
        return LastMonth.of(self.rows[self.pilot.contract.time], self.pilot.file.data.timezone)

    @cached_property
    def train_frame(self) -> pd.DataFrame:
        """The features of ``train`` as the model sees them."""
        return model_frame(self.train, self.pilot.contract)

    @cached_property
    def train_labels(self) -> Floats:
        """On the unit interval, one entry a row of ``train``."""
        return labels_of(self.train, self.pilot.contract)

    def fitted_on(self, rows: NDArray[np.bool_]) -> Pipeline:
        """The model's own recipe, fitted on some of the training rows only; with one thread, whatever the pilot says."""
        alike = clone(self.pipeline)
        alike.set_params(
            **{name: 1 for name, value in alike.get_params().items() if name.endswith("n_jobs") and value}
        )
        return alike.fit(self.train_frame[rows], targets(self.train_labels[rows], self.pilot.contract))

    def said_by(self, fitted: Pipeline, frame: pd.DataFrame) -> Floats:
        """What a fitted pipeline says of each row, on the unit interval, shape (n,)."""
        return self.pilot.contract.scale.to_unit(predict(fitted, frame, self.pilot.contract))

    def said_of(self, columns: dict[str, Any]) -> Floats:
        """What model.onnx says of each row, on the unit interval, shape (n,)."""
        return self.pilot.contract.scale.to_unit(self.model.score(columns))

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.pilot.contract.task

    @property
    def loss(self) -> Floats:
        """The model's squared error on each row."""
        losses: Floats = (self.scores - self.labels) ** 2
        return losses

    @property
    def sampled(self) -> str:
        """How an interval came about, in words."""
        return f"{self.how.samples:,} paired samples of {int(self.days.max()) + 1} days"


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """Positions of at most ``most`` of ``count`` rows, evenly over them: a sample without chance."""
    return np.arange(0, count, max(1, -(-count // most)))


CheckFunction = Callable[[Material], Check]
