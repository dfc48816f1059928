"""A model that gives away who trained it is blocked; one that learned what they have in common is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipelines.gate.checks.privacy import smallest_parts
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


ROWS = 2_000
FEW = 2


def people() -> tuple[pd.DataFrame, np.ndarray]:
    """A kind that two of them have, a flag that is false for two others, a number and another kind."""
    random = np.random.default_rng(3)
    kind, flag = random.choice(["b", "c", "d"], ROWS).astype(object), np.ones(ROWS)
    kind[[5, 900]] = "a"
    flag[[7, 1500]] = 0.0
    frame = pd.DataFrame(
        {
            "kind": kind,
            "flag": flag,
            "age": random.normal(40, 10, ROWS),
            "part": random.choice(["x", "y"], ROWS),
        }
    )
    return frame, (random.random(ROWS) < 0.4).astype(int)


def fitted(columns: list[str], *steps: Any) -> tuple[Pipeline, pd.DataFrame]:
    frame, labels = people()
    return make_pipeline(*steps).fit(frame[columns], labels), frame[columns]


def one_hot(columns: list[str], **how: Any) -> Any:
    """Of the texts among them; the rest stays as it is."""
    texts = [name for name in columns if name in ("kind", "part")]
    return make_column_transformer((OneHotEncoder(**how), texts), remainder="passthrough")


@pytest.mark.parametrize(
    "columns", [["kind"], ["kind", "age"], ["part", "kind"], ["part", "age", "kind", "flag"], ["flag"]]
)
@pytest.mark.parametrize(
    "how", [{}, {"drop": "first"}, {"drop": "first", "sparse_output": False}, {"drop": "if_binary"}]
)
@pytest.mark.parametrize("scaled", [False, True])
def test_a_category_or_a_flag_of_two_people_is_seen_however_it_is_coded(
    columns: list[str], how: dict[str, Any], *, scaled: bool
) -> None:
    more = [StandardScaler(with_mean=False)] if scaled else []
    rows = smallest_parts(
        *fitted(columns, one_hot(columns, **how), *more, "passthrough", LogisticRegression())
    )
    assert rows.min() == FEW


@pytest.mark.parametrize("how", [{}, {"drop": "first"}])
@pytest.mark.parametrize("columns", [["part"], ["age", "part"], ["age"]])
def test_what_many_have_in_common_is_no_specific_part(columns: list[str], how: dict[str, Any]) -> None:
    rows = smallest_parts(*fitted(columns, one_hot(columns, **how), StandardScaler(), LogisticRegression()))
    assert rows.min() > ROWS / 3


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("linear", LogisticRegression()), ("bayes", GaussianNB())]),
        VotingClassifier([("steps", make_pipeline(StandardScaler(), LogisticRegression()))]),
        BaggingClassifier(LogisticRegression(), n_estimators=2),
        AdaBoostClassifier(LogisticRegression(), n_estimators=2),
        GaussianNB(),
    ],
)
def test_parts_of_other_kinds_are_not_counted_and_nothing_breaks(model: Any) -> None:
    assert len(smallest_parts(*fitted(["age", "flag"], StandardScaler(), model))) == 0


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(n_estimators=3, min_samples_leaf=50, bootstrap=False),
        GradientBoostingClassifier(n_estimators=3, min_samples_leaf=50),
        BaggingClassifier(n_estimators=2),
    ],
)
def test_leaves_of_every_tree_are_counted(model: Any) -> None:
    rows = smallest_parts(*fitted(["age", "flag"], StandardScaler(), model))
    assert rows.min() >= 50 or isinstance(model, BaggingClassifier)
    assert rows.sum() >= ROWS
