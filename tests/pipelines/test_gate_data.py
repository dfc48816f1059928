"""Rows that were seen before are found under any key; what repeats by nature is let through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.near_duplicates import near_duplicates
from pipelines.gate.material import Material
from tests.pipelines.delivered import delivered
from tests.pipelines.test_gate_completeness import FLIGHTS, SUPPORT
from tests.results import Result, judged, line


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


Move = Callable[[pd.Series], pd.Series]
MOVES: dict[str, Move] = {
    "exact": lambda values: values,
    "a millionth": lambda values: values + 1e-6,
    "six digits": lambda values: values.map(lambda value: float(f"{value:.6g}")),
    "less exact numbers": lambda values: values.astype("float32").astype("float64"),
    "noise": lambda values: (
        values + np.random.default_rng(7).normal(0, 1e-3 * float(values.std()), len(values))
    ),
}


def with_copies(made: Material, share: float, move: Move) -> Material:
    """That share of the evaluation is rows of the oldest quarter of training, every number moved a little."""
    contract, rows = made.pilot.contract, made.evaluation.copy()
    random = np.random.default_rng(0)
    places = random.choice(len(rows), round(share * len(rows)), replace=False)
    seen = made.train.iloc[random.choice(len(made.train) // 4, len(places))]
    for name in (*(feature.name for feature in contract.features), contract.target):
        values = seen[name]
        if contract.column(name).logicalType in ("number", "integer"):
            values = move(values.astype("float64"))
            rows[name] = rows[name].astype("float64")
        rows.iloc[places, rows.columns.get_loc(name)] = values.to_numpy()
    return replace(made, evaluation=rows)


@pytest.mark.slow
@pytest.mark.xdist_group("delivered")  # they share what the sources gave
@pytest.mark.parametrize("window", [FLIGHTS, SUPPORT])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_copies_of_the_oldest_training_rows_are_found(
    window: tuple[str, str, str], move: str, share: float
) -> None:
    made = delivered(*window)
    found = near_duplicates(with_copies(made, share, MOVES[move]))
    assert not found.passed
    assert found.value is not None
    nature = 0.55 if window is SUPPORT else 0.0  # of residents, who have a twin anyway
    assert found.value > 0.75 * share * (1 - nature)


@pytest.mark.slow
@pytest.mark.xdist_group("delivered")
@pytest.mark.parametrize(
    "window",
    [
        FLIGHTS,
        ("flights", "2013-05-01", "2013-07-01"),
        ("flights", "2013-01-01", "2013-12-01"),
        ("support", "2015-01-01", "2015-04-01"),
        ("support", "2015-01-01", "2016-01-01"),
        SUPPORT,
        ("support", "2017-07-01", "2018-07-01"),
        ("support", "2018-01-01", "2019-01-01"),
    ],
)
def test_what_repeats_by_nature_passes(window: tuple[str, str, str]) -> None:
    found = near_duplicates(delivered(*window))
    assert found.passed, found.evidence
    assert found.value is not None
    assert found.value < 0.025


@pytest.mark.slow
@pytest.mark.xdist_group("delivered")
def test_copies_within_training_do_not_hide_those_in_the_evaluation() -> None:
    made = delivered(*SUPPORT)
    training = made.train.reset_index(drop=True)
    fifth = len(training) // 5
    features = [feature.name for feature in made.pilot.contract.features]
    training.loc[fifth : 2 * fifth - 1, features] = training.loc[: fifth - 1, features].to_numpy()
    spoiled = with_copies(replace(made, train=training), 0.5, MOVES["exact"])
    assert not near_duplicates(spoiled).passed


def test_training_rows_under_another_key_are_found_in_the_evaluation(result: Result) -> None:
    train, rows = result.part("train"), result.part("evaluation")
    names = [feature.name for feature in result.pilot.contract.features]
    places = np.random.default_rng(0).choice(len(rows), 120, replace=False)
    seen = train.sample(120, random_state=0)
    for name in [*names, "late"]:
        rows.loc[rows.index[places], name] = seen[name].to_numpy()
    result.replace("evaluation", rows)
    verdict = judged(result)
    assert verdict.blocked_by == ["near-duplicates"]
    assert line(verdict, "near-duplicates").evidence.startswith("120 of 4,116 evaluation rows have a twin")


def test_a_table_of_a_few_categories_repeats_by_nature(result: Result) -> None:
    first = result.part("train").iloc[0]
    for name in ("train", "evaluation"):
        rows = result.part(name)
        same = {
            f.name: first[f.name]
            for f in result.pilot.contract.features
            if f.name not in ("origin", "carrier")
        }
        result.replace(name, rows.assign(**same))
    check = line(judged(result), "near-duplicates")
    assert check.passed
    assert "0 of 4,116" not in check.evidence
