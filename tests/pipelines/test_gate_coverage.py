"""Groups too small or served too badly are left out by name, and a model for too few is blocked. On real departures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.verdict import Check, Verdict
from tests import results
from tests.results import SMALL, Result, line
from tremplin.contract import Contract
from tremplin.coverage import Coverage, group_of


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def judged(result: Result) -> tuple[Verdict, Check]:
    verdict = results.judged(result)
    return verdict, line(verdict, "coverage")


def limits(**changed: Any) -> dict[str, Any]:
    return {"coverage": SMALL["gate"]["coverage"] | changed}


def test_carriers_with_few_flights_are_left_out_by_name_and_do_not_block(honest_result: Result) -> None:
    verdict, check = judged(honest_result)
    assert verdict.passed
    flown = honest_result.part("evaluation")["carrier"].value_counts()
    few = sorted(flown[flown < 40].index)
    assert {"AS", "HA", "YV"} <= set(few)
    sites, carriers = verdict.coverage
    assert [left.group for left in carriers.excluded] == [[name] for name in few]
    assert carriers.served == [[name] for name in sorted(flown[flown >= 40].index)]
    assert sites.excluded == []
    assert check.value == pytest.approx(flown[few].sum() / flown.sum())
    assert f"carrier HA: {flown['HA']} rows of evaluation, 40 needed" in check.evidence


def test_a_group_that_the_baseline_serves_better_is_left_out(result: Result) -> None:
    """One carrier's file had the flag the wrong way round while the model was trained."""
    rows = result.part("train")
    labels, here = rows["late"].to_numpy(float), (rows["carrier"] == "MQ").to_numpy()
    labels[here] = 1 - labels[here]
    result.edit(gate=limits(excluded_limit=0.2))
    result.train(labels=labels)
    verdict, check = judged(result)
    assert "carrier MQ: the baseline is better there, Brier +" in check.evidence
    assert ["MQ"] in [left.group for left in verdict.coverage[1].excluded]
    assert check.passed
    result.edit(gate=limits())
    assert "coverage" in judged(result)[0].blocked_by


def test_segments_of_several_columns_name_each_group(result: Result) -> None:
    result.edit(gate=limits(segments=[["origin", "carrier"]], excluded_limit=0.2))
    verdict, check = judged(result)
    assert verdict.coverage[1].columns == ["origin", "carrier"]
    assert "origin JFK, carrier HA: " in check.evidence


def test_the_server_finds_the_group_that_the_gate_judged(honest_result: Result) -> None:
    contract, (verdict, check) = honest_result.pilot.contract, judged(honest_result)
    asked = Coverage(verdict.coverage, {column.name: column for column in contract.columns})
    rows = honest_result.part("evaluation")[["origin", "carrier"]].to_dict("records")
    left = np.mean([asked.excluded(row) is not None for row in rows])
    assert left == pytest.approx(check.value)


def test_a_number_is_in_the_band_that_holds_it(pilot: Any) -> None:
    content = pilot.contract.model_dump(mode="json", by_alias=True)
    age = next(c for c in content["schema"][0]["properties"] if c["name"] == "plane_age")
    age["customProperties"] = [{"property": "bands", "value": "5, 12.5"}]
    column = Contract.model_validate(content).column("plane_age")
    found = [group_of(column, value) for value in (-1, 4.9, 5, 12, 12.5, 40, None, float("nan"))]
    assert found == [
        "under 5", "under 5", "5 to under 12.5", "5 to under 12.5", "12.5 and over", "12.5 and over",
        "(missing)", "(missing)",
    ]  # fmt: skip


def test_a_value_that_the_contract_does_not_list_is_named_by_that_alone(pilot: Any) -> None:
    found = [group_of(pilot.contract.column("origin"), value) for value in ("JFK", "Jane Doe", None)]
    assert found == ["JFK", "(not in the contract)", "(missing)"]
