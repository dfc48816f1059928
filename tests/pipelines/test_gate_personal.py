"""The verdict on people names nobody: it goes to the journal, to MLflow and into the release, which nothing is erased from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.verdict import canonical_json
from tests.pipelines.delivered import at
from tests.results import Result, judged, line

NAME = "Jane Doe"
STRANGE_AGE = 4711


@pytest.fixture
def people(residents_result: Result, tmp_path: Path) -> Result:
    return residents_result.copy(tmp_path / "copy")


def spoil(rows: pd.DataFrame, *, begin: str) -> pd.DataFrame:
    """A fortnight that stands still, values that the contract forbids, a key that comes twice, a column gone silent."""
    still = at(rows, None, begin, 14)
    spoiled = rows.assign(
        education=rows["education"].mask(still, 9),
        partner_age=rows["partner_age"].mask(at(rows, None, begin, 30)),
        age=rows["age"].mask(rows.index == 17, STRANGE_AGE),
        household_part=rows["household_part"].mask(np.arange(len(rows)) == 19, NAME),
        household=rows["household"].mask(np.arange(len(rows)) == 23, "nobody's pseudonym"),
    )
    return pd.concat([spoiled, spoiled.iloc[[31]]], ignore_index=True).sort_values(
        "contact_day", kind="stable", ignore_index=True
    )


def test_no_key_subject_or_value_of_a_row_is_in_a_verdict_on_people(people: Result) -> None:
    people.replace("train", spoil(people.part("train"), begin="2016-03-01"))
    rows = people.part("evaluation")
    copies = people.part("train").iloc[: len(rows) // 3]
    for feature in people.pilot.contract.features:
        rows.loc[rows.index[: len(copies)], feature.name] = copies[feature.name].to_numpy()
    people.replace("evaluation", rows)
    verdict = judged(people)
    assert {"contract", "outliers", "near-duplicates", "completeness"} <= set(verdict.blocked_by)
    assert "age: range in 1 row. " in line(verdict, "contract").evidence
    assert "not here: data is personal" in line(verdict, "contract").evidence
    told = canonical_json(verdict).decode()
    assert "(not in the contract)" in told
    for part in ("train", "evaluation"):
        table = people.part(part)
        for name in ("resident", "household"):
            assert not [value for value in table[name].unique() if value in told]
    assert NAME not in told
    assert str(STRANGE_AGE) not in line(verdict, "contract").evidence


def test_where_data_is_of_nobody_examples_are_shown(honest_result: Result, tmp_path: Path) -> None:
    result = honest_result.copy(tmp_path / "copy")
    rows = result.part("train")
    result.replace("train", rows.assign(temp=rows["temp"].mask(rows.index == 17, 999.0)))
    assert "for example 999" in line(judged(result), "contract").evidence
