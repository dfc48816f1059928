"""Honest variants pass: a gate that blocks a good model is a fault as one that lets a bad one through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.results import BOOSTED, Result, judged, make_result


def other_seed(result: Result) -> None:
    result.edit(model={"seed": 7})
    result.train()


def other_window(result: Result) -> None:
    rows = result.part("train")
    result.replace("train", rows[len(rows) // 4 :].reset_index(drop=True))
    result.train()


def fewer_trees(result: Result) -> None:
    result.recast(boosted={**BOOSTED, "trees": 25})


def linear(result: Result) -> None:
    result.recast(linear={"C": 0.1})


def more_features(result: Result) -> None:
    squares = '("numbers", "passthrough", NUMBERS), ("products", PolynomialFeatures(2), ["distance", "departure_hour"])]'
    result.rewrite("features.py", '("numbers", "passthrough", NUMBERS)]', squares)
    result.rewrite("features.py", "import OrdinalEncoder", "import OrdinalEncoder, PolynomialFeatures")
    result.train()


@pytest.mark.parametrize("vary", [other_seed, other_window, fewer_trees, linear, more_features])
def test_an_honest_variant_passes(
    honest_result: Result, tmp_path: Path, vary: Callable[[Result], None]
) -> None:
    result = honest_result.copy(tmp_path / "copy")
    vary(result)
    assert judged(result).blocked_by == []


def test_a_later_month_passes(tmp_path: Path) -> None:
    end = datetime(2013, 8, 1, tzinfo=UTC)
    result = make_result(tmp_path, since=datetime(2013, 3, 1, tzinfo=UTC), as_of=end)
    assert judged(result, as_of=end).blocked_by == []
