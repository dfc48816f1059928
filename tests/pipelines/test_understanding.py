"""What the snapshot says about itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.understanding import feature_auc, understand
from tests.pipelines.lamp_town import FILES, lamps
from tremplin.contract import Contract, load_contract

CONTRACT = load_contract(FILES / "contract.yaml")
ZONE = "Europe/Paris"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return lamps()


def evidence(rows: pd.DataFrame) -> dict[str, Any]:
    return understand(rows, CONTRACT, timezone=ZONE, confidence=0.95)


def test_rows_labels_and_months_add_up(rows: pd.DataFrame) -> None:
    found = evidence(rows)
    assert found["rows"] == len(rows) == sum(month["rows"] for month in found["by_month"].values())
    assert list(found["by_month"]) == ["2024-01", "2024-02", "2024-03", "2024-04"]
    assert set(found["by_site"]) == {"north", "south", "port"}
    assert found["never_labelled"] == pytest.approx(0.02 * len(rows), rel=0.3)
    assert found["slowest_label_hours"] == 27
    for group in found["by_month"].values():
        assert group["rate"]["low"] < group["rate"]["value"] < group["rate"]["high"]


def test_a_month_begins_at_local_midnight(rows: pd.DataFrame) -> None:
    eve = rows.head(1).assign(morning=pd.Timestamp("2024-01-31 23:30", tz="UTC"), check_id="eve")
    assert list(evidence(pd.concat([rows.head(600), eve]))["by_month"]) == ["2024-01", "2024-02"]


def test_a_label_that_may_still_come_is_not_a_label_that_never_will(rows: pd.DataFrame) -> None:
    last_day = rows["morning"] > rows["morning"].max() - pd.Timedelta(hours=24)
    waiting = rows.assign(
        failed=rows["failed"].mask(last_day), failed_known_at=rows["failed_known_at"].mask(last_day)
    )
    assert evidence(waiting)["never_labelled"] <= evidence(rows)["never_labelled"]


def test_columns_are_compared_with_the_contract(rows: pd.DataFrame) -> None:
    columns = evidence(rows)["columns"]
    assert columns["voltage"]["missing"] == pytest.approx(0.1, abs=0.02)
    assert columns["age"]["contract_range"] == [0, 40]
    assert columns["kind"]["values"] == 2
    assert "counts" not in columns["check_id"]  # a list of keys is no evidence


def test_keys_and_rows_that_come_twice_are_counted(rows: pd.DataFrame) -> None:
    assert evidence(rows)["duplicate_keys"] == 0
    twice = evidence(pd.concat([rows, rows.head(3)], ignore_index=True))
    assert twice["duplicate_keys"] == twice["same_features_and_time"] == 3


def test_an_honest_feature_alone_is_modest_and_noise_is_none(rows: pd.DataFrame) -> None:
    found = feature_auc(rows[rows["failed"].notna()], CONTRACT, timezone=ZONE)
    assert 0.6 < (found["age"] or 0) < 0.75
    assert found["voltage"] == pytest.approx(0.5, abs=0.03)


def leak_in_the_value(rows: pd.DataFrame) -> pd.Series:
    return rows["failed"].astype(float) * 10 + rows["age"] / 10


def leak_in_what_is_missing(rows: pd.DataFrame) -> pd.Series:
    return rows["age"].mask(rows["failed"])


def leak_in_the_middle_of_the_range(rows: pd.DataFrame) -> pd.Series:
    noise = pd.Series(np.random.default_rng(1).choice([5.0, 35.0], len(rows)), index=rows.index)
    return noise.mask(rows["failed"], 20.0)


@pytest.mark.parametrize(
    "leak", [leak_in_the_value, leak_in_what_is_missing, leak_in_the_middle_of_the_range]
)
def test_a_feature_that_gives_the_answer_away_is_seen(rows: pd.DataFrame, leak: Any) -> None:
    labelled = rows[rows["failed"].notna()]
    found = feature_auc(labelled.assign(age=leak(labelled)), CONTRACT, timezone=ZONE)
    assert (found["age"] or 0) > 0.95


def test_a_category_of_many_values_does_not_look_good_by_memory(rows: pd.DataFrame) -> None:
    labelled = rows[rows["failed"].notna()]
    many = labelled.assign(kind=np.random.default_rng(2).integers(0, 3000, len(labelled)).astype(str))
    assert feature_auc(many, CONTRACT, timezone=ZONE)["kind"] == pytest.approx(0.5, abs=0.03)


def test_a_snapshot_without_a_label_is_described_all_the_same(rows: pd.DataFrame) -> None:
    none = rows["failed"].isna() | True
    found = evidence(
        rows.assign(failed=rows["failed"].mask(none), failed_known_at=rows["failed_known_at"].mask(none))
    )
    assert found["labelled"] == 0
    assert found["newest_labelled"] is None
    assert set(found["feature_auc"].values()) == {None}


def test_who_never_gets_a_label_is_measured_by_segment(rows: pd.DataFrame) -> None:
    gone = (
        (rows["kind"] == "sodium")
        & (rows.index % 4 == 0)
        & (rows["morning"] < rows["morning"].max() - pd.Timedelta(days=3))
    )
    dark = rows.assign(failed=rows["failed"].mask(gone), failed_known_at=rows["failed_known_at"].mask(gone))
    found = understand(dark, CONTRACT, timezone=ZONE, confidence=0.95, segments=[["kind"]])["by_segment"][
        "kind"
    ]
    assert set(found) == {"led", "sodium", "(missing)"}
    assert found["sodium"]["never_labelled_share"] > 0.2
    assert found["led"]["never_labelled_share"] < 0.05
    assert sum(group["rows"] for group in found.values()) == len(rows)


def test_of_people_no_identifier_no_extreme_and_no_small_group_is_told(rows: pd.DataFrame) -> None:
    """The report goes to MLflow, where no row goes."""
    content = CONTRACT.model_dump(mode="json", by_alias=True)
    columns = {column["name"]: column for column in content["schema"][0]["properties"]}
    purpose = [{"property": "purpose", "value": "Repair"}]
    for name in ("kind", "age"):
        columns[name] |= {"classification": "personal", "customProperties": purpose}
    contract = Contract.model_validate(content)
    few = rows.assign(kind=rows["kind"].mask(rows.index < 3, "gas"))
    few.loc[5, "age"] = 59.0
    known, open_ = (
        understand(few, given, timezone=ZONE, confidence=0.95, smallest_group=least, segments=[["kind"]])
        for given, least in ((contract, 10), (CONTRACT, 1))
    )
    assert "gas" in open_["columns"]["kind"]["counts"]
    assert open_["columns"]["age"]["range"][1] == 59
    assert "gas" not in str(known["by_segment"])
    assert known["columns"]["age"]["range"][1] < 59
    assert "gas" not in known["columns"]["kind"].get("counts", {})
