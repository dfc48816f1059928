"""What scikit-learn's column-by-column steps do to one column, composed exactly."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from pipelines.fast.columns import Made, NoFastForm, Text, looked_up, mapped, stepped
from tremplin.fast_form import Codes, Curve

Floats = NDArray[np.float64]


def through(step: Any, columns: list[Made], names: Sequence[str] = ()) -> list[Made]:
    """The columns after a fitted step; ``names`` are what a ``ColumnTransformer`` may pick them by.

    Raises:
        NoFastForm: the step, or what it is set to, is not followed.
    """
    if isinstance(step, str) and step == "passthrough":
        return columns
    if type(step) is Pipeline:
        for number, (_, part) in enumerate(step.steps):
            columns = through(part, columns, () if number else names)
        return columns
    if type(step) is ColumnTransformer:
        return _picked(step, columns, names)
    follow = STEPS.get(type(step))
    if follow is None:
        raise NoFastForm(f"the step {type(step).__name__}")
    return follow(step, columns)


def _picked(step: Any, columns: list[Made], names: Sequence[str]) -> list[Made]:
    if step.transformer_weights:
        raise NoFastForm("transformer_weights of a ColumnTransformer")
    out: list[Made] = []
    for _, part, chosen in step.transformers_:
        if part == "drop":
            continue
        picked = _places(chosen, len(columns), names)
        out += through(
            part, [columns[place] for place in picked], [names[p] for p in picked] if names else ()
        )
    return out


def _places(chosen: Any, count: int, names: Sequence[str]) -> list[int]:
    """Where the columns are that a ``ColumnTransformer`` was told by number, name, mask or slice, alone or in a list."""
    places: Any = pd.Series(np.arange(count), index=list(names) or None)
    told = [chosen] if np.isscalar(chosen) else chosen
    ends = (told.start, told.stop) if isinstance(told, slice) else told
    found = places.loc[told] if any(isinstance(end, str) for end in ends) else places.iloc[told]
    return [int(place) for place in found]


def _same(step: Any, columns: list[Made]) -> list[Made]:
    if step.func is not None:
        raise NoFastForm("a FunctionTransformer")
    return columns


def _imputed(step: Any, columns: list[Made]) -> list[Made]:
    statistics = step.statistics_
    missing_is_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    if step.add_indicator or not missing_is_nan or pd.isna(statistics).any():
        raise NoFastForm(
            "a SimpleImputer of other values than NaN, with indicators, or of columns that were all missing"
        )
    # What is filled in has the type of what it was fitted on: a mean in float32 can lie on the other side of a bin's edge.
    filled = statistics.astype(getattr(step, "_fit_dtype", np.float64)).tolist()
    return [
        mapped(column, partial(_filled, by))
        for column, by in zip(_numbers(step, columns), filled, strict=True)
    ]


def _filled(by: float, value: float | None) -> float:
    return by if value is None else value


def _standard(step: Any, columns: list[Made]) -> list[Made]:
    n = len(columns)
    mean = step.mean_ if step.with_mean else np.zeros(n)
    scale = step.scale_ if step.with_std else np.ones(n)
    return _lines(step, columns, 1 / scale, -mean / scale)


def _robust(step: Any, columns: list[Made]) -> list[Made]:
    n = len(columns)
    center = np.zeros(n) if step.center_ is None else step.center_
    scale = np.ones(n) if step.scale_ is None else step.scale_
    return _lines(step, columns, 1 / scale, -center / scale)


def _min_max(step: Any, columns: list[Made]) -> list[Made]:
    if step.clip:
        raise NoFastForm("a MinMaxScaler that clips")
    return _lines(step, columns, step.scale_, step.min_)


def _max_abs(step: Any, columns: list[Made]) -> list[Made]:
    if getattr(step, "clip", False):
        raise NoFastForm("a MaxAbsScaler that clips")
    return _lines(step, columns, 1 / step.scale_, np.zeros(len(columns)))


def _lines(step: Any, columns: list[Made], factors: Floats, shifts: Floats) -> list[Made]:
    """Each column times its factor, plus its shift."""
    out: list[Made] = []
    for column, by, plus in zip(_numbers(step, columns), factors.tolist(), shifts.tolist(), strict=True):
        if isinstance(column, Codes):
            out.append(mapped(column, partial(_on_line, by, plus)))
        else:
            change = {
                "slope": column.slope * by,
                "offset": column.offset * by + plus,
                "heights": [height * by for height in column.heights],
                "missing": _on_line(by, plus, column.missing),
            }
            out.append(column.model_copy(update=change))
    return out


def _on_line(by: float, plus: float, value: float | None) -> float | None:
    return None if value is None else value * by + plus


def _ordinal(step: Any, columns: list[Made]) -> list[Made]:
    _all_categories(step)
    if step.handle_unknown != "use_encoded_value":
        raise NoFastForm("an OrdinalEncoder that has no code for what training did not see")
    out: list[Made] = []
    for column, categories in zip(columns, step.categories_, strict=True):
        codes = {
            _own(category): _own(step.encoded_missing_value) if _own(category) is None else float(code)
            for code, category in enumerate(categories)
        }
        out.append(looked_up(column, codes, _own(step.unknown_value)))
    return out


def _one_hot(step: Any, columns: list[Made]) -> list[Made]:
    _all_categories(step)
    if step.handle_unknown == "error":
        raise NoFastForm("a OneHotEncoder that has no answer to what training did not see")
    out: list[Made] = []
    dropped = [None] * len(columns) if step.drop_idx_ is None else step.drop_idx_
    for column, categories, left_out in zip(columns, step.categories_, dropped, strict=True):
        out += [
            looked_up(column, {_own(category): 1.0}, 0.0)
            for place, category in enumerate(categories)
            if place != left_out
        ]
    return out


def _all_categories(step: Any) -> None:
    if step.min_frequency is not None or step.max_categories is not None:
        raise NoFastForm(f"a {type(step).__name__} that puts rare categories together")


def _binned(step: Any, columns: list[Made]) -> list[Made]:
    out: list[Made] = []
    for column, all_edges in zip(_numbers(step, columns), step.bin_edges_, strict=True):
        edges = [float(edge) for edge in all_edges[1:-1]]
        codes = np.arange(len(edges) + 1.0)
        each: list[list[float]] = (
            [codes.tolist()] if step.encode == "ordinal" else np.eye(len(codes)).tolist()
        )
        for heights in each:
            bin_of = partial(_bin, edges, heights)
            out.append(
                mapped(column, bin_of)
                if isinstance(column, Codes)
                else stepped(column, edges, heights, bin_of(column.missing))
            )
    return out


def _bin(edges: list[float], heights: list[float], value: float | None) -> float | None:
    return None if value is None else heights[bisect_right(edges, value)]


def _numbers(step: Any, columns: list[Made]) -> list[Codes | Curve]:
    for column in columns:
        if isinstance(column, Text):
            raise NoFastForm(f"a {type(step).__name__} of the text {column.feature}")
    return columns  # type: ignore[return-value]


def _own(value: Any) -> Any:
    """Texts as they are, numbers as Python's own; NaN is None, as in a fast form."""
    if isinstance(value, str):
        return value
    return None if value is None or np.isnan(value) else float(value)


# By exact type: what is derived from one of them may do something else.
STEPS: dict[type, Callable[[Any, list[Made]], list[Made]]] = {
    FunctionTransformer: _same,
    KBinsDiscretizer: _binned,
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    RobustScaler: _robust,
    SimpleImputer: _imputed,
    StandardScaler: _standard,
}
