"""``fast/`` of a release: what answers and explains one row without ONNX Runtime.

A pipeline has a fast form where every column of its last step is a function of one feature alone, and the last step is trees
(LightGBM) or linear. The function of a text is a table, that of a number a line plus steps; each takes the number rounded to
float32, as ONNX does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tremplin.strict import Strict

FOLDER = "fast"
ENCODING = "encoding.json"
BOOSTER = "booster.txt"  # LightGBM's text form: thresholds and leaves in float64; for trees alone


class Codes(Strict):
    """A column made of a text: its value by category, None where it is missing (NaN)."""

    kind: Literal["codes"] = "codes"
    feature: str
    values: dict[str, float | None]  # "" is a missing text
    other: float | None  # of a text that is not in ``values``


class Curve(Strict):
    """A column made of a number x: ``slope * x + offset + heights[i]``, i being how many ``edges`` are not above x."""

    kind: Literal["curve"] = "curve"
    feature: str
    slope: float = 1.0
    offset: float = 0.0
    edges: list[float] = Field(default_factory=list)  # ascending
    heights: list[float] = Field(default_factory=lambda: [0.0], min_length=1)  # one more than ``edges``
    missing: float | None = None  # the column where x is missing; None: missing too (NaN)

    @property
    def plain(self) -> bool:
        """Whether the column is the number as it is, missing or not."""
        return self == Curve(feature=self.feature)


Column = Annotated[Codes | Curve, Field(discriminator="kind")]


class Trees(Strict):
    """``booster.txt`` and its columns, in its order."""

    kind: Literal["trees"] = "trees"
    columns: list[Column]


class Linear(Strict):
    """``intercept`` and one column a feature, its coefficients multiplied in: their sum is the margin.

    The margin is the logit of the probability, or the amount before it is held within the contract's range.
    """

    kind: Literal["linear"] = "linear"
    intercept: float
    columns: list[Column]
    background: dict[str, float]  # mean of each column over the rows of training, by feature


class FastForm(Strict):
    """``encoding.json``."""

    model: Annotated[Trees | Linear, Field(discriminator="kind")]
