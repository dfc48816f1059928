"""What may go wrong with the inputs of a model without the contract noticing: values gone, in another unit, or with noise.

A fault of which the contract refuses one row of a hundred or more is noticed on its first day; it is no risk of the model's
and is not counted as one. Below that, the rows that are let through are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tremplin.column import Column
from tremplin.contract import Contract

NOTICED = 0.01  # share of rows that the contract refuses
MISSING = 0.1  # share of the values that are gone, of every optional feature at once
NOISE = 0.1  # standard deviation of the noise, in those of the feature in training

# Units that people mistake for one another, by what they measure: how many of a first unit one of each is.
SCALES: tuple[dict[str, float], ...] = (
    {"mile": 1609.344, "kilometre": 1000.0, "metre": 1.0, "foot": 0.3048, "inch": 0.0254, "millimetre": 0.001},
    {"mile per hour": 0.44704, "kilometre per hour": 1 / 3.6, "metre per second": 1.0, "knot": 0.514444},
    {"second": 1.0, "minute": 60.0, "hour": 3600.0},
    {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25},
    {"millibar": 1.0, "hectopascal": 1.0, "pascal": 0.01, "inch of mercury": 33.8639},
    {"gram": 1.0, "kilogram": 1000.0, "pound": 453.592, "ounce": 28.3495},
    {"percent": 0.01, "share": 1.0},
)  # fmt: skip
TEMPERATURES = {
    ("degree Fahrenheit", "degree Celsius"): (-32 / 1.8, 1 / 1.8),
    ("degree Celsius", "degree Fahrenheit"): (32.0, 1.8),
}  # offset and factor, from the contract's unit to the mistaken one


@dataclass(frozen=True)
class Fault:
    """Some columns other than they should be."""

    name: str
    columns: dict[str, Any]  # feature name to its values, shape (n,), float32
    passing: NDArray[np.bool_]  # rows that the contract lets through, shape (n,)

    @property
    def noticed(self) -> bool:
        """Whether the contract refuses so many rows that somebody is told."""
        return float(self.passing.mean()) <= 1 - NOTICED


def missing(frame: pd.DataFrame, contract: Contract, random: np.random.Generator) -> Iterator[Fault]:
    """Each optional feature gone altogether, then a tenth of the values of all of them at random."""
    optional = [feature for feature in contract.features if feature.nullable]
    everywhere = np.ones(len(frame), dtype=bool)
    for feature in optional:
        yield Fault(f"{feature.name} gone", {feature.name: _without(frame, feature, everywhere)}, everywhere)
    if optional:
        gone = {f.name: _without(frame, f, random.random(len(frame)) < MISSING) for f in optional}
        yield Fault(f"{MISSING:.0%} of all optional values gone", gone, everywhere)


def unit_errors(frame: pd.DataFrame, contract: Contract) -> Iterator[Fault]:
    """Each number with its decimal point one place off, and in each unit that its own is mistaken for."""
    for feature in contract.features:
        if feature.logicalType not in ("number", "integer"):
            continue
        values = frame[feature.name].to_numpy("float64")
        for said, (offset, factor) in mistakes(feature.unit).items():
            wrong = offset + factor * values
            yield Fault(
                f"{feature.name} {said}",
                {feature.name: wrong.astype(np.float32)},
                allowed(wrong, feature),
            )


def noise(
    frame: pd.DataFrame, contract: Contract, spread: pd.Series, random: np.random.Generator
) -> Iterator[Fault]:
    """Every number off by a tenth of its ``spread`` (standard deviation in training), held within the contract's range."""
    columns = {}
    for feature in contract.features:
        if feature.logicalType in ("number", "integer"):
            values = frame[feature.name].to_numpy("float64")
            values = values + random.normal(0, 1, len(values)) * NOISE * float(spread[feature.name])
            values = np.round(values) if feature.logicalType == "integer" else values
            low, high = _range(feature)
            columns[feature.name] = np.clip(values, low, high).astype(np.float32)
    if columns:
        yield Fault("noise on every number", columns, np.ones(len(frame), dtype=bool))


def mistakes(unit: str | None) -> dict[str, tuple[float, float]]:
    """What a number in ``unit`` is mistaken for: in words, the offset and factor from right to wrong."""
    found = {"times 10": (0.0, 10.0), "divided by 10": (0.0, 0.1)}
    for scale in SCALES:
        if unit in scale:
            found |= {
                f"in {other}": (0.0, scale[unit] / size)
                for other, size in scale.items()
                if size != scale[unit]
            }
    return found | {f"in {other}": turn for (own, other), turn in TEMPERATURES.items() if own == unit}


def allowed(values: NDArray[np.float64], feature: Column) -> NDArray[np.bool_]:
    """Which values the contract lets through, shape (n,); what was missing before is missing as it may be."""
    low, high = _range(feature)
    fits = (values >= low) & (values <= high)
    if feature.logicalType == "integer":
        fits &= values == np.round(values)
    passing: NDArray[np.bool_] = fits | np.isnan(values)
    return passing


def _range(feature: Column) -> tuple[float, float]:
    bounds = feature.logicalTypeOptions
    return (
        -np.inf if bounds.minimum is None else bounds.minimum,
        np.inf if bounds.maximum is None else bounds.maximum,
    )


def _without(frame: pd.DataFrame, feature: Column, gone: NDArray[np.bool_]) -> NDArray[Any]:
    values = frame[feature.name]
    return values.mask(gone, np.nan if feature.numeric else "").to_numpy()
