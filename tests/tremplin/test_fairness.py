"""Gaps between groups: what is compared with whom, what is too small, and what is not known yet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.results import ROOT
from tremplin.charter import FAIRNESS_MEASURES
from tremplin.comparison import Bootstrap
from tremplin.fairness import Answers, Judged, judged_gaps
from tremplin.pilot import load_pilot
from tremplin.target import Task

HOW = Bootstrap(200, 0.95, 1)
SEX = load_pilot("support", ROOT).contract.column("sex")
ROWS = 3000


def judged(*, women: int = ROWS // 2, known: float = 1.0, amounts: bool = False, gap: float = 0.0) -> Judged:
    """Of ``ROWS`` people; ``gap`` is added to the scores of women."""
    draw = np.random.default_rng(5)
    sex = np.array(["female"] * women + ["male"] * (ROWS - women))
    scores = draw.uniform(0.1, 0.6, ROWS) + gap * (sex == "female")
    labels = np.where(draw.random(ROWS) < known, draw.random(ROWS) < scores, np.nan)
    decisions = None if amounts else scores >= 0.3
    answers = Answers(labels.astype(float), scores, decisions, draw.integers(0, 30, ROWS))
    limits = {"mean_answer" if amounts else "selection_rate": {"sex": 0.1}}
    return judged_gaps(answers, pd.DataFrame({"sex": sex}), [SEX], minimum_rows=200, limits=limits, how=HOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("women", [5, ROWS - 5])
def test_neither_a_small_group_nor_who_is_compared_with_it_is_judged(women: int) -> None:
    """Of two groups the gap of one is that of the other: with the large one the small one would be published."""
    found = judged(women=women)
    assert found.gaps == []
    few, many = sorted(found.small, key=lambda small: len(small.what))
    assert (few.count, few.what, many.what) == (5, "rows", "rows of everyone else")


@pytest.mark.parametrize("gap", [0.0, 0.3])
@pytest.mark.parametrize("amounts", [False, True])
def test_a_gap_is_proven_where_there_is_one(gap: float, amounts: bool) -> None:
    found = judged(gap=gap, amounts=amounts).gaps
    assert {one.measure for one in found} == set(
        FAIRNESS_MEASURES[Task.REGRESSION if amounts else Task.CLASSIFICATION]
    )
    assert any(one.proven for one in found) == (gap > 0)
    assert all(one.low < one.value < one.high for one in found)


def test_who_has_no_outcome_yet_counts_for_what_needs_none() -> None:
    full, late, none = (judged(known=known) for known in (1.0, 0.6, 0.0))
    of = {
        name: {(g.group, g.measure): g for g in found.gaps}
        for name, found in (("full", full), ("late", late), ("none", none))
    }
    assert of["late"]["female", "selection_rate"].value == of["full"]["female", "selection_rate"].value
    assert (
        abs(of["late"]["female", "calibration"].own - 1) < 0.15
    )  # scores of who has no outcome are not expected ones
    assert {measure for _, measure in of["none"]} == {"selection_rate"}
    assert {small.measure for small in none.small} == {
        "true_positive_rate",
        "false_positive_rate",
        "calibration",
    }
