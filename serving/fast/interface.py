"""What a fast path promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class NoFastPath(Exception):
    """ONNX Runtime answers this release; the message says why, without a final full stop."""


@dataclass(frozen=True)
class Contributions:
    """Shapley values of one answer: ``base`` and all of ``by_feature`` sum to the ``margin``.

    In log-odds where a probability is answered; else in the target's unit, before the amount is held within the contract's
    range.
    """

    base: float  # the margin that is expected before anything is known of the row
    by_feature: dict[str, float]  # one entry for each feature of the contract, in its order

    @property
    def margin(self) -> float:
        """Logit of the probability, or the amount."""
        return self.base + sum(self.by_feature.values())


class Fast(Protocol):
    """Answers and explains one validated row: a value for each feature of the contract, None where it is missing."""

    def score_row(self, row: dict[str, Any]) -> float:
        """A probability, or an amount within the contract's range; NaN where the model has no answer."""
        ...

    def contributions(self, row: dict[str, Any]) -> Contributions:
        """Exact Shapley values."""
        ...
