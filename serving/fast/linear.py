"""One row through a linear model."""

from __future__ import annotations

import math
from typing import Any

from serving.fast.columns import function_of
from serving.fast.interface import Contributions
from tremplin.contract import Contract
from tremplin.fast_form import Linear
from tremplin.target import Task


class FastLinear:
    """A sum of one function a feature."""

    def __init__(self, form: Linear, contract: Contract) -> None:
        self._intercept = form.intercept
        self._parts = [(column.feature, function_of(column)) for column in form.columns]
        self._background = form.background
        self._base = form.intercept + sum(form.background[column.feature] for column in form.columns)
        amounts = contract.task is Task.REGRESSION
        self._held = (contract.scale.low, contract.scale.high) if amounts else None
        self._names = [feature.name for feature in contract.features]

    def score_row(self, row: dict[str, Any]) -> float:
        """A probability, or an amount within the contract's range."""
        margin = self._intercept
        for name, part in self._parts:
            margin += part(row[name])
        if self._held is None:
            return sigmoid(margin)
        low, high = self._held
        return low if margin < low else min(margin, high)

    def contributions(self, row: dict[str, Any]) -> Contributions:
        """How far each feature's term is from its mean over the rows of training: the Shapley value of a linear model.

        Exact where features are taken as independent (Strumbelj and Kononenko 2014; Lundberg and Lee 2017, corollary 1).
        """
        by_feature = dict.fromkeys(self._names, 0.0)
        for name, part in self._parts:
            by_feature[name] += part(row[name]) - self._background[name]
        return Contributions(self._base, by_feature)


def sigmoid(margin: float) -> float:
    """The probability whose logit is ``margin``, without overflow."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    odds = math.exp(margin)  # NaN comes here too, and stays NaN
    return odds / (1.0 + odds)
