"""Columns of a fast form, and what may be done to one without losing exactness."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tremplin.fast_form import Codes, Curve

Floats = NDArray[np.float64]


class NoFastForm(Exception):
    """Something of a pipeline cannot be followed; the message names it, as in "the step PCA"."""


@dataclass(frozen=True)
class Text:
    """A text before it is encoded; missing is ""."""

    feature: str


Made = Text | Codes | Curve


def looked_up(column: Made, values: Mapping[Any, float | None], other: float | None) -> Codes | Curve:
    """The value of a category; of a number, each category is a step that is one float32 wide."""
    if isinstance(column, Text):
        return Codes(
            feature=column.feature, values={str(text): value for text, value in values.items()}, other=other
        )
    if isinstance(column, Codes):
        return mapped(column, lambda value: values.get(value, other))
    numbers = sorted(category for category in values if category is not None)
    if other is None or None in (values[category] for category in numbers):
        raise NoFastForm("numbers as categories whose code is NaN")
    edges: list[float] = []
    heights = [other]
    for category in numbers:
        edges += [category, float(np.nextafter(np.float32(category), np.float32(np.inf)))]
        heights += [float(values[category] or 0.0), other]
    return stepped(column, edges, heights, values.get(column.missing, other))


def stepped(column: Curve, edges: list[float], heights: list[float], missing: float | None) -> Curve:
    if not column.model_copy(update={"missing": None}).plain:
        raise NoFastForm(f"bins or categories of {column.feature}, a number that was changed before")
    return Curve(feature=column.feature, slope=0.0, edges=edges, heights=heights, missing=missing)


def mapped(column: Codes | Curve, function: Callable[[float | None], float | None]) -> Codes | Curve:
    """A text's table with another value for each; of a number, only what is missing changes."""
    if isinstance(column, Curve):
        return column.model_copy(update={"missing": function(column.missing)})
    values = {text: function(value) for text, value in column.values.items()}
    return column.model_copy(update={"values": values, "other": function(column.other)})


def weighted_sum(terms: Sequence[tuple[float, Codes | Curve]]) -> Codes | Curve:
    """One column for the columns of one feature, each times its weight; missing where one of them is."""
    first = terms[0][1]
    if isinstance(first, Codes):
        codes = [(weight, column) for weight, column in terms if isinstance(column, Codes)]
        texts = sorted({text for _, column in codes for text in column.values})
        return Codes(
            feature=first.feature,
            values={text: _total([(w, c.values.get(text, c.other)) for w, c in codes]) for text in texts},
            other=_total([(w, c.other) for w, c in codes]),
        )
    curves = [(weight, column) for weight, column in terms if isinstance(column, Curve)]
    edges = sorted({edge for _, column in curves for edge in column.edges})
    inside = [-np.inf, *edges]  # a number of each interval: its lower edge belongs to it
    return Curve(
        feature=first.feature,
        slope=sum(w * c.slope for w, c in curves),
        offset=sum(w * c.offset for w, c in curves),
        edges=edges,
        heights=[sum(w * c.heights[bisect_right(c.edges, x)] for w, c in curves) for x in inside],
        missing=_total([(w, c.missing) for w, c in curves]),
    )


def _total(terms: Sequence[tuple[float, float | None]]) -> float | None:
    total = 0.0
    for weight, value in terms:
        if value is None:
            return None
        total += weight * value
    return total


def values_of(column: Codes | Curve, feature: pd.Series) -> Floats:
    """The column for each value of a feature as the model sees it (``tremplin.frame``), shape (n,)."""
    if isinstance(column, Codes):
        found = [column.values.get(text, column.other) for text in feature]
        return np.array([np.nan if value is None else value for value in found])
    x = feature.to_numpy("float64")
    missing = np.nan if column.missing is None else column.missing
    drawn = (
        column.slope * x
        + column.offset
        + np.array(column.heights)[np.searchsorted(column.edges, x, side="right")]
    )
    return np.where(np.isnan(x), missing, drawn)
