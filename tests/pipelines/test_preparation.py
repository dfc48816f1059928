"""The cut between what is trained on and what is kept for the evaluation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipelines.preparation import Prepared, prepare
from tests.pipelines.lamp_town import FILES, lamps
from tremplin.contract import load_contract
from tremplin.errors import TremplinError

CONTRACT = load_contract(FILES / "contract.yaml")


def cut(rows: pd.DataFrame, days: int = 20) -> Prepared:
    return prepare(rows, CONTRACT, evaluation_days=days, timezone="Europe/Paris")


def test_the_evaluation_is_the_last_days_and_nothing_known_later_is_trained_on() -> None:
    rows = lamps()
    made = cut(rows)
    moment = pd.Timestamp(made.evidence["cut"])
    assert made.train["morning"].max() < moment <= made.evaluation["morning"].min()
    assert made.train["failed_known_at"].max() <= moment
    assert made.evaluation["morning"].dt.tz_convert("Europe/Paris").dt.date.nunique() == 20
    assert made.evidence["shared_keys"] == 0


def test_what_became_known_after_the_cut_is_purged_and_counted() -> None:
    rows = lamps()
    made = cut(rows)
    before = rows["failed"].notna() & (rows["morning"] < pd.Timestamp(made.evidence["cut"]))
    # A label takes 27 hours and a check is at dawn: the last morning before the cut was not known at it.
    assert before.sum() - len(made.train) == made.evidence["purged"]
    assert 50 < made.evidence["purged"] <= 60
    early = rows.assign(failed_known_at=rows["morning"].where(rows["failed"].notna()))
    assert cut(early).evidence["purged"] == 0


def test_every_labelled_row_is_in_one_part_or_purged() -> None:
    rows = lamps()
    made = cut(rows)
    counted = len(made.train) + len(made.evaluation) + made.evidence["purged"] + made.evidence["unlabelled"]
    assert counted == len(rows) == made.evidence["rows"]


def test_the_cut_is_at_local_midnight_also_across_the_change_of_the_clock() -> None:
    moment = pd.Timestamp(cut(lamps(), days=45).evidence["cut"])
    assert moment.tz_convert("Europe/Paris") == pd.Timestamp("2024-03-17", tz="Europe/Paris")
    assert moment.hour == 23  # winter, while the end of the data is in summer time


def test_the_order_of_the_snapshot_does_not_matter() -> None:
    rows = lamps()
    pd.testing.assert_frame_equal(cut(rows).train, cut(rows.sample(frac=1, random_state=1)).train)


def test_a_part_with_one_class_is_refused() -> None:
    rows = lamps()
    late = rows["morning"] > pd.Timestamp("2024-04-01", tz="UTC")
    with pytest.raises(TremplinError, match=r"The evaluation rows \(1,1\d\d; cut at .*two values of failed"):
        cut(rows.assign(failed=rows["failed"].mask(late & rows["failed"].notna(), False)))


def test_a_window_without_training_rows_is_refused() -> None:
    with pytest.raises(TremplinError, match=r"The training rows \(0;"):
        cut(lamps(), days=121)


def test_what_is_held_apart_is_in_the_audit_table_alone(tmp_path: Path) -> None:
    """The sodium lamps' kind is not to be trained on: fairness alone is measured by it."""
    (tmp_path / "contract.yaml").write_text(
        (FILES / "contract.yaml")
        .read_text("utf-8")
        .replace("empty where unknown, tags: [feature]", "empty where unknown, tags: [protected]"),
        "utf-8",
    )
    made = prepare(
        lamps(), load_contract(tmp_path / "contract.yaml"), evaluation_days=20, timezone="Europe/Paris"
    )
    assert "kind" not in made.train
    assert "kind" not in made.evaluation
    assert list(made.audit) == ["check_id", "kind"]
    assert made.audit["check_id"].equals(made.evaluation["check_id"])
    assert made.evidence["held_apart"] == ["kind"]
    whole = cut(lamps())
    assert made.audit["kind"].equals(whole.evaluation["kind"])
    assert list(whole.audit) == ["check_id"]
