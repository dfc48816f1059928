"""Rows that were seen before are found under any key; what repeats by nature is let through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.results import Result, judged, line


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


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
    assert "0 of 4,116" not in line(verdict, "near-duplicates").evidence


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
