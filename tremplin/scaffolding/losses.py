"""Limits of a loss. What .01 means depends on what could be lost: they are shares of that, the same for every target."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd

from tremplin.scaffolding import ranges
from tremplin.target import Scale

FLOAT32 = 1e-6  # what sums of a hundred trees may round, as a share of the range
USUAL = 0.2  # Brier score of answering the rate, .28 or .72: the losses of yes or no below were tried where it was about that


@dataclass(frozen=True)
class Losses:
    """Mean squared errors on the unit interval; ``calibration_limit`` and ``parity_limit`` are differences there."""

    champion_margin: float
    coverage_margin: float
    learning_curve_limit: float
    missing_values_limit: float
    unit_errors_limit: float
    noise_limit: float
    previous_period_limit: float
    rollout_margin: float
    calibration_limit: float
    parity_limit: float
    unit: str  # in words


YES_OR_NO = Losses(
    champion_margin=0.001,
    coverage_margin=0.01,
    learning_curve_limit=0.01,
    missing_values_limit=0.05,
    unit_errors_limit=0.1,
    noise_limit=0.02,
    previous_period_limit=0.03,
    rollout_margin=0.01,
    calibration_limit=0.08,
    parity_limit=1e-4,
    unit="Brier",
)


def losses(answers: pd.Series) -> Losses:
    """The limits for a target with those answers."""
    if pd.api.types.is_bool_dtype(answers):
        return YES_OR_NO
    bounds = ranges.of_target(answers)
    unit = Scale(bounds["minimum"], bounds["maximum"]).to_unit(answers.astype("float64"))
    share = float(unit.var()) / USUAL
    scaled = {name: _digits(value * share) for name, value in asdict(YES_OR_NO).items() if name != "unit"}
    scaled["calibration_limit"] = _digits(YES_OR_NO.calibration_limit * share**0.5)
    scaled["parity_limit"] = max(_digits(YES_OR_NO.parity_limit * share**0.5), FLOAT32)
    said = f"squared error as a share of the target's squared range; its variance is {unit.var():.2g}"
    return Losses(**scaled, unit=said)


def _digits(value: float) -> float:
    """Two significant digits."""
    return float(f"{value:.2g}")
