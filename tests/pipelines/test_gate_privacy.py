"""A model that gives away who trained it is blocked; one that learned what they have in common is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.results import BOOSTED, Result, judged, line


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def personal(result: Result) -> None:
    """The same rows, as if they were of people."""
    gdpr = result.pilot.charter.gdpr.model_dump() | {
        "personal_data": True,
        "legal_basis": "a task in the public interest",
    }
    result.edit(charter={"gdpr": gdpr})


def test_another_season_is_not_taken_for_members(honest_result: Result) -> None:
    """By its loss alone training looks easier than June, a month of storms; by what each row adds it does not."""
    check = line(judged(honest_result), "membership")
    assert check.passed
    assert check.interval is not None
    assert check.interval[0] is not None
    assert check.interval[0] < 0.55


def test_leaves_of_a_few_people_block_where_data_is_personal(result: Result) -> None:
    result.recast(boosted={**BOOSTED, "rows_per_leaf": 3})
    said = line(judged(result), "specific-parts")
    assert said.passed
    assert "it blocks only where the charter says personal data" in said.evidence
    personal(result)
    assert "specific-parts" in judged(result).blocked_by
    result.recast(boosted=BOOSTED)
    assert judged(result).passed


def test_categories_of_a_few_people_block_a_linear_model(result: Result) -> None:
    personal(result)
    result.recast(linear={"C": 0.1})
    verdict = judged(result)
    rows = result.part("train")
    rarest = min(int(rows[name].value_counts().min()) for name in ("origin", "carrier", "dest"))
    assert verdict.blocked_by == ["specific-parts"]
    assert line(verdict, "specific-parts").value == rarest < 10


def test_a_kind_of_model_whose_parts_cannot_be_counted_does_not_pass_with_personal_data(
    result: Result,
) -> None:
    result.rewrite("model.py", "LogisticRegression(C=C, max_iter=500, random_state=seed)", "GaussianNB()")
    result.rewrite(
        "model.py",
        "from sklearn.pipeline",
        "from sklearn.naive_bayes import GaussianNB\nfrom sklearn.pipeline",
    )
    result.rewrite(
        "model.py",
        'handle_unknown="ignore"), CODES)',
        'handle_unknown="ignore", sparse_output=False), CODES)',
    )
    result.recast(linear={"C": 0.1})
    assert "cannot be counted" in line(judged(result), "specific-parts").evidence
    personal(result)
    assert "specific-parts" in judged(result).blocked_by
