"""Only a calibration error that is proven blocks: few rows alone do not, and what is off is found."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from pipelines.gate.checks.calibration import calibration
from pipelines.gate.material import Material
from tests.results import ROOT
from tremplin.comparison import Bootstrap, Floats
from tremplin.pilot import load_pilot

DRAWS = 200  # of a model and its evaluation rows
UNEVEN = 0.3  # standard deviation of a day's own log odds, which no model knows


@pytest.fixture(scope="module")
def nothing() -> Material:
    """A limit of .05, and no model."""
    empty: dict[str, Any] = dict.fromkeys(field.name for field in fields(Material))
    return Material(**empty | {"pilot": load_pilot("support", ROOT), "how": Bootstrap(300, 0.95, 1)})


def blocked(nothing: Material, rows: int, days: int, *, off: float, uneven: float = 0.0) -> float:
    """Share of the draws in which a model is blocked whose probabilities are that much too high."""
    random = np.random.default_rng(5)

    def drawn() -> bool:
        scores: Floats = random.beta(2, 4, rows)
        day = np.arange(rows) * days // rows
        truth = np.clip(scores - off, 1e-3, 1 - 1e-3)
        odds = np.log(truth / (1 - truth)) + random.normal(0, uneven, days)[day]
        labels = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.float64)
        return not calibration(replace(nothing, labels=labels, scores=scores, days=day)).passed

    return float(np.mean([drawn() for _ in range(DRAWS)]))


@pytest.mark.parametrize(
    ("rows", "days"), [(300, 14), (300, 30), (600, 30), (1000, 14), (1000, 30), (2000, 30)]
)
def test_a_perfect_model_is_blocked_in_one_draw_of_twenty_at_most(
    nothing: Material, rows: int, days: int
) -> None:
    assert blocked(nothing, rows, days, off=0.0) <= 0.05
    assert blocked(nothing, rows, days, off=0.0, uneven=UNEVEN) <= 0.05


def test_a_model_that_is_off_by_just_the_limit_is_within_it(nothing: Material) -> None:
    assert blocked(nothing, 1000, 30, off=0.05) <= 0.05


def test_a_model_that_is_proven_to_be_off_is_blocked(nothing: Material) -> None:
    assert blocked(nothing, 300, 30, off=0.1) >= 0.5
    assert blocked(nothing, 1000, 30, off=0.1) >= 0.85
    assert blocked(nothing, 2000, 30, off=0.1, uneven=UNEVEN) >= 0.85


def test_the_interval_is_shown_with_what_was_measured(nothing: Material) -> None:
    scores: Floats = np.full(1000, 0.4)
    day = np.arange(1000) * 30 // 1000
    labels = (np.arange(1000) % 5 == 0).astype(np.float64)
    found = calibration(replace(nothing, labels=labels, scores=scores, days=day))
    assert not found.passed
    assert found.value == pytest.approx(0.2)
    assert found.interval is not None
    low, high = found.interval
    assert low is not None
    assert high is not None
    assert 0.05 < low <= 0.2 <= high
    assert "300 samples of 30 days" in found.evidence
