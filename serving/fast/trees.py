"""One row through boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.fast.columns import function_of
from serving.fast.interface import Contributions
from serving.fast.lightgbm_library import Booster
from tremplin.contract import Contract
from tremplin.fast_form import Codes, Trees
from tremplin.target import Task

NAN = float("nan")


class FastTrees:
    """LightGBM's own trees in float64: what ONNX holds in float32."""

    def __init__(self, form: Trees, booster: bytes, contract: Contract) -> None:
        """Raises NoFastPath where the library is missing or refuses the trees."""
        self._booster = Booster(booster, len(form.columns))
        self._features = [column.feature for column in form.columns]
        # Most columns are a number as it is, which takes no call.
        self._made = [
            (place, function_of(column))
            for place, column in enumerate(form.columns)
            if isinstance(column, Codes) or not column.plain
        ]
        amounts = contract.task is Task.REGRESSION
        self._held = (contract.scale.low, contract.scale.high) if amounts else None
        self._names = [feature.name for feature in contract.features]

    def score_row(self, row: dict[str, Any]) -> float:
        """A probability, or an amount within the contract's range."""
        score = self._booster.predict(self._encoded(row))
        if self._held is None:
            return score
        low, high = self._held
        return low if score < low else min(score, high)

    def contributions(self, row: dict[str, Any]) -> Contributions:
        """TreeSHAP, exact; the columns of one feature summed."""
        *found, base = self._booster.contributions(self._encoded(row))
        by_feature = dict.fromkeys(self._names, 0.0)
        for feature, value in zip(self._features, found, strict=True):
            by_feature[feature] += value
        return Contributions(base, by_feature)

    def _encoded(self, row: dict[str, Any]) -> Sequence[float]:
        values = [row[name] for name in self._features]
        for place, function in self._made:
            values[place] = function(values[place])
        return [NAN if value is None else value for value in values] if None in values else values
