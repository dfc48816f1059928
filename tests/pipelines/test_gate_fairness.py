"""A model that treats a group otherwise is blocked for fairness, and honest ones are not. On real people of a census survey."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.gate.checks.fairness import fairness
from pipelines.verdict import Check, Verdict, verdict_markdown
from tests import results
from tests.pipelines.delivered import delivered
from tests.results import ROOT, Result, line
from tremplin.comparison import Bootstrap
from tremplin.errors import ConfigurationError, TremplinError
from tremplin.groups import simultaneous
from tremplin.pilot import load_pilot

Edit = Callable[[Result], None]


@pytest.fixture
def honest(residents_result: Result) -> Result:
    return residents_result


@pytest.fixture
def people(honest: Result, tmp_path: Path) -> Result:
    return honest.copy(tmp_path / "copy")


def judged(result: Result) -> tuple[Verdict, Check]:
    verdict = results.judged(result)
    return verdict, line(verdict, "fairness")


def limit(people: Result, **changed: Any) -> None:
    """Change the limits of fairness."""
    now = people.pilot.file.gate.model_dump(mode="json")["fairness"]
    people.edit(gate={"fairness": now | changed})


def sex_of(people: Result) -> pd.Series:
    """Of each training row: the snapshot knows it, the training table does not."""
    snapshot = pd.read_parquet(people.paths.snapshot).set_index("resident")["sex"]
    return snapshot.loc[people.part("train")["resident"]].reset_index(drop=True)


def most_women_without_work(people: Result) -> np.ndarray:
    without = people.part("train")["without_work"].astype(bool).to_numpy()
    return (
        (sex_of(people) == "female").to_numpy()
        & without
        & (np.random.default_rng(0).random(len(without)) < 0.6)
    )


def with_a_proxy(people: Result) -> None:
    """A column that is allowed says who is a woman."""
    snapshot = pd.read_parquet(people.paths.snapshot).set_index("resident")["sex"]
    for name in ("train", "evaluation"):
        rows = people.part(name)
        women = (snapshot.loc[rows["resident"]] == "female").to_numpy()
        people.replace(name, rows.assign(household_size=np.where(women, 2, 1)))


def flipped(people: Result) -> None:
    """One group's file had the answer the wrong way round."""
    labels = people.part("train")["without_work"].to_numpy(float)
    people.train(labels=np.where((sex_of(people) == "female").to_numpy(), 1 - labels, labels))


def not_recorded(people: Result) -> None:
    """Three of five women without work were recorded as at work."""
    labels = people.part("train")["without_work"].to_numpy(float)
    people.train(labels=np.where(most_women_without_work(people), 0, labels))


def not_asked(people: Result) -> None:
    """Three of five women without work were never asked."""
    people.train(keep=~most_women_without_work(people))


@pytest.mark.parametrize("biased", [flipped, not_asked], ids=lambda one: str(one.__name__))
def test_a_biased_model_is_blocked_for_fairness(people: Result, biased: Edit) -> None:
    with_a_proxy(people)
    biased(people)
    verdict, check = judged(people)
    assert "fairness" in verdict.blocked_by
    assert "beyond the limit: sex=female true positive rate" in check.evidence
    assert check.interval is not None
    assert (check.interval[0] or 0) > 1
    assert [gap.column for gap in verdict.fairness if gap.proven] == ["sex", "sex"]


def test_without_a_proxy_a_biased_record_is_miscalibrated_and_a_proxy_alone_is_no_bias(
    people: Result,
) -> None:
    """Who cannot tell the women apart does the same wrong to everybody: the scores are too low, and calibration says so."""
    not_recorded(people)
    verdict, check = judged(people)
    assert "calibration" in verdict.blocked_by
    assert check.passed
    with_a_proxy(people)
    people.train()
    assert judged(people)[1].passed


@pytest.mark.parametrize(
    ("risk_class", "personal", "because", "passes"),
    [
        ("high", True, None, False),
        ("high", True, "nobody may be asked to which group they belong", True),
        ("high", False, None, True),
        ("limited", True, None, True),
    ],
)
def test_people_at_a_high_risk_are_not_passed_over(
    risk_class: str, personal: bool, because: str | None, passes: bool
) -> None:
    made = delivered("flights", "2013-04-01", "2013-04-11")
    charter = made.pilot.charter
    charter = charter.model_copy(
        update={
            "ai_act": charter.ai_act.model_copy(update={"risk_class": risk_class}),
            "gdpr": charter.gdpr.model_copy(update={"personal_data": personal}),
            "unprotected_because": because,
        }
    )
    file = made.pilot.file.model_copy(update={"charter": charter})
    found = fairness(replace(made, pilot=replace(made.pilot, file=file)))
    assert found.passed is passes
    assert "no column of the contract is `protected`" in found.evidence
    assert ("charter.unprotected_because" in found.evidence) is not passes
    assert because is None or because in found.evidence


def test_what_is_held_apart_measures_fairness_and_reaches_nothing_else(honest: Result) -> None:
    verdict, check = judged(honest)
    assert check.passed
    apart = {"sex", "origin", "disability", "foreign_born"}
    assert {column.name for column in honest.pilot.contract.held_apart} == apart
    assert {gap.column for gap in verdict.fairness} == apart | {"age"}
    for name in ("train", "evaluation"):
        assert not apart & set(honest.part(name))


def test_a_limit_within_what_is_measured_blocks_the_same_model(people: Result) -> None:
    limit(
        people,
        limits={"true_positive_rate": dict.fromkeys(["sex", "origin", "disability", "foreign_born"], 0.02)},
    )
    verdict, check = judged(people)
    assert verdict.blocked_by == ["fairness"]
    assert "sex=female" in check.evidence


def test_the_measures_are_those_of_the_rows(honest: Result) -> None:
    """Against plain means, computed here from the scores that the evaluation wrote."""
    verdict, _ = judged(honest)
    scored = pd.read_parquet(honest.paths.reports / "evaluation.parquet").set_index("key")
    audit = pd.read_parquet(honest.paths.audit).set_index("resident")
    scored = scored.join(audit)
    flagged = scored["score"] >= honest.pilot.charter.decision_threshold
    for group, part in scored.groupby("sex"):
        rest = scored[scored["sex"] != group]
        positive = [rows[rows["label"] == 1].index for rows in (part, rest)]
        rates = [flagged[keys].mean() for keys in positive]
        found = {gap.measure: gap for gap in verdict.fairness if (gap.column, gap.group) == ("sex", group)}
        assert found["true_positive_rate"].own == pytest.approx(rates[0])
        assert found["true_positive_rate"].value == pytest.approx(rates[0] - rates[1])
        assert found["selection_rate"].own == pytest.approx(flagged[part.index].mean())
        assert found["calibration"].own == pytest.approx(part["label"].sum() / part["score"].sum())
        assert all(gap.low < gap.value < gap.high and gap.rows == len(part) for gap in found.values())


def test_groups_too_small_are_named_but_for_the_smallest_and_numbers_are_cut_into_bands(
    honest: Result,
) -> None:
    """The verdict is in the journal for ever: it counts nobody out."""
    verdict, check = judged(honest)
    sizes = pd.read_parquet(honest.paths.audit)["origin"].value_counts()
    assert sizes["pacific_islander"] < honest.pilot.file.gate.smallest_group
    small = check.evidence.partition("too small to judge")[2].partition(". ")[0]
    assert "origin=american_indian_or_alaska_native (about " in small
    assert "of fewer than 10, not named" in small
    assert "pacific_islander" not in check.evidence
    assert not [count for count in re.findall(r"about ([0-9,]+) ", small) if int(count.replace(",", "")) % 10]
    assert "pacific_islander" not in {gap.group for gap in verdict.fairness}
    bands = ["25 to under 40", "40 to under 55", "55 and over", "under 25"]
    assert sorted({gap.group for gap in verdict.fairness if gap.column == "age"}) == bands


def test_no_group_large_enough_is_no_proof_of_fairness(people: Result) -> None:
    limit(people, minimum_rows=100_000)
    verdict, check = judged(people)
    assert verdict.blocked_by == ["fairness"]
    assert "no group is large enough" in check.evidence


def test_the_trade_off_and_every_group_are_shown(honest: Result) -> None:
    verdict, check = judged(honest)
    assert "shown and not limited, largest: " in check.evidence
    assert "not all measures can be equal" in check.evidence
    assert "limited are true positive rate: " in check.evidence
    table = verdict_markdown(verdict).partition("## Fairness by group")[2]
    assert table.count("\n| ") == len(verdict.fairness) + 1
    assert "| sex | female |" in table


def test_a_pilot_without_protected_columns_says_so(honest_result: Result) -> None:
    verdict, check = judged(honest_result)
    assert check.passed
    assert "no column of the contract is `protected`" in check.evidence
    assert verdict.fairness == []


def test_an_audit_table_of_other_rows_is_refused(people: Result) -> None:
    audit = pd.read_parquet(people.paths.audit)
    audit.iloc[10:].to_parquet(people.paths.audit)
    with pytest.raises(TremplinError, match=r"audit\.parquet lacks rows of evaluation\.parquet"):
        judged(people)


@pytest.mark.parametrize(
    ("section", "old", "new", "said"),
    [
        ("pilot.yaml", "limited: [true_pos", "limited: [false_pos", "limits false_positive_rate, and `gate.fairness` true_pos"),
        ("pilot.yaml", "sex: 0.1", "household_size: 0.1", "which the contract does not mark as protected"),
        ("pilot.yaml", "sex: 0.1", "age: 0.1", "column sex is protected: give it a limit"),
        ("contract.yaml", '          - {property: bands, value: "25, 40, 55"}\n', "", "column age is a number that fairness is"),
    ],
)  # fmt: skip
def test_what_the_charter_leaves_open_is_refused(
    tmp_path: Path, section: str, old: str, new: str, said: str
) -> None:
    shutil.copytree(ROOT / "pilots" / "support", tmp_path / "pilots" / "support")
    path = tmp_path / "pilots" / "support" / section
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_pilot("support", tmp_path)
    assert said in str(caught.value)


def test_intervals_hold_for_all_groups_at_once() -> None:
    """Of thirty gaps that are zero, one is found different in one draw of twenty, not in most of them."""
    random, how = np.random.default_rng(5), Bootstrap(400, 0.95, 1)
    weights, wrong, alone = how.weights(60), 0, 0
    for _ in range(200):
        days = random.normal(size=(60, 30))
        low, high = simultaneous(days.mean(axis=0), weights @ days / 60, how)
        wrong += bool(((low > 0) | (high < 0)).any())
        ends = np.quantile(weights @ days / 60, [0.025, 0.975], axis=0)
        alone += bool(((ends[0] > 0) | (ends[1] < 0)).any())
    assert wrong / 200 < 0.12
    assert alone / 200 > 0.5
