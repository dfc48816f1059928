"""What is predicted: yes or no, or an amount; and the interval from 0 to 1 on which both are judged.

What is stored, answered and shown is in the target's own unit: a probability, or an amount. What is judged (losses, margins,
intervals) is on the unit interval, where the squared error of a probability is the Brier score, and that of an amount is a
share of the squared range of the contract. So one gate and one set of limits serve both, and no loss is above 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Task(StrEnum):
    """The kind of question, by the type of the contract's target."""

    CLASSIFICATION = "classification"  # boolean: the model answers the probability of yes
    REGRESSION = "regression"  # number or integer: the model answers an amount, in the target's unit

    @property
    def ranking(self) -> str:
        """Key of the measure of ranking in the evidence: both are the share of pairs of rows that are ranked right."""
        return "roc_auc" if self is Task.CLASSIFICATION else "concordance"

    @property
    def loss(self) -> str:
        """Key of the mean squared error on the unit interval in the evidence."""
        return "brier" if self is Task.CLASSIFICATION else "squared_error"

    @property
    def ranking_name(self) -> str:
        """The same for people."""
        return "AUC" if self is Task.CLASSIFICATION else "Concordance"

    @property
    def loss_name(self) -> str:
        """The same for people."""
        return "Brier" if self is Task.CLASSIFICATION else "Squared-error"


# By the logicalType of the target.
TASKS: dict[str, Task] = {
    "boolean": Task.CLASSIFICATION,
    "number": Task.REGRESSION,
    "integer": Task.REGRESSION,
}


@dataclass(frozen=True)
class Scale:
    """The range of the target, in its own unit: 0 to 1 for yes or no."""

    low: float
    high: float  # above ``low``

    @property
    def largest(self) -> float:
        """The largest absolute value: float32 rounds to seven digits of it."""
        return max(abs(self.low), abs(self.high))

    def to_unit(self, values: ArrayLike) -> Floats:
        """Labels or answers on the unit interval, of the same shape; what is beyond the range is at its end, NaN stays NaN."""
        own = np.asarray(values, dtype=np.float64)
        return np.asarray(np.clip((own - self.low) / (self.high - self.low), 0.0, 1.0), dtype=np.float64)

    def from_unit(self, values: ArrayLike) -> Floats:
        """The way back."""
        unit = np.asarray(values, dtype=np.float64)
        return np.asarray(self.low + (self.high - self.low) * unit, dtype=np.float64)
