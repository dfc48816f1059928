"""What is predicted follows from the contract, what errors cost from the charter; the two must agree, or `check` says how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.delays import Delays, delays
from tremplin.charter import RegressionCharter
from tremplin.errors import ConfigurationError
from tremplin.pilot import load_pilot
from tremplin.target import Scale, Task

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(tmp_path: Path) -> Delays:
    return delays(tmp_path)


def target(made: Delays, **changed: Any) -> None:
    """Change the target in the contract; None takes a key away."""
    path = made.folder / "contract.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    column = next(c for c in content["schema"][0]["properties"] if "target" in c["tags"])
    column |= changed
    for key in [key for key, value in changed.items() if value is None]:
        del column[key]
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def charter(made: Delays, **changed: Any) -> None:
    made.edit(charter=changed)


def refusal(made: Delays) -> str:
    with pytest.raises(ConfigurationError) as caught:
        _ = made.pilot
    return str(caught.value)


def test_a_boolean_target_is_a_classification_judged_as_it_is() -> None:
    for name in ("flights", "support"):
        pilot = load_pilot(name, ROOT)
        assert pilot.contract.task is pilot.charter.task is Task.CLASSIFICATION
        assert pilot.contract.scale == Scale(0, 1)
        assert pilot.charter.decision_threshold is not None


@pytest.mark.parametrize("kind", ["number", "integer"])
def test_a_number_is_a_regression_judged_within_its_range(made: Delays, kind: str) -> None:
    target(made, logicalType=kind, examples=[12])
    pilot = made.pilot
    assert pilot.contract.task is pilot.charter.task is Task.REGRESSION
    assert pilot.contract.scale == Scale(-60, 180)
    assert pilot.charter.decision_threshold is None
    assert pilot.charter.decisions(np.zeros(3)) is None


def test_errors_cost_by_their_side(made: Delays) -> None:
    found = made.pilot.charter
    assert isinstance(found, RegressionCharter)
    assert found.cost(np.array([10.0, 0.0, 5.0]), np.array([0.0, 10.0, 5.0])).tolist() == [10.0, 20.0, 0.0]


@pytest.mark.parametrize("kind", ["string", "timestamp"])
def test_a_target_of_another_type_is_refused(made: Delays, kind: str) -> None:
    example = "a" if kind == "string" else "2013-01-01T00:00:00Z"
    target(made, logicalType=kind, examples=[example], logicalTypeOptions={}, customProperties=[])
    said = refusal(made)
    assert f"the target cannot be a {kind}: make it a boolean (classification), or a number" in said
    assert "1 fault to mend" in said


@pytest.mark.parametrize("bounds", [None, {"minimum": 0}, {"maximum": 9}, {"minimum": 5, "maximum": 5}])
def test_an_amount_without_a_range_is_refused(made: Delays, bounds: dict[str, Any] | None) -> None:
    target(made, logicalTypeOptions=bounds, examples=[5])
    said = refusal(made)
    assert "the target arrival_delay is an amount: give it a `minimum` and a `maximum` that differ" in said
    assert "1 fault to mend" in said


def test_costs_of_decisions_do_not_fit_an_amount(made: Delays) -> None:
    charter(made, costs={"currency": "USD", "false_alarm": 1, "missed": 2}, decision_threshold=0.33)
    said = refusal(made)
    assert (
        "the contract's target arrival_delay is an amount: write `charter.costs` as currency, over and under"
        in said
    )


def test_costs_of_amounts_do_not_fit_yes_or_no(made: Delays) -> None:
    target(made, logicalType="boolean", examples=[True], logicalTypeOptions={}, customProperties=[])
    said = refusal(made)
    assert (
        "the contract's target arrival_delay is yes or no: write `charter.costs` as currency, false_alarm"
        in said
    )
    assert "`charter.decision_threshold`" in said


def test_faults_of_such_a_charter_have_their_lines(made: Delays) -> None:
    charter(made, costs={"currency": "USD", "over": -1, "undr": 2}, decision_threshold=0.3, kpi={})
    with pytest.raises(ConfigurationError) as caught:
        _ = made.pilot
    text = (made.folder / "pilot.yaml").read_text("utf-8").splitlines()
    lines = {fault.line for fault in caught.value.faults}
    assert {text.index("    over: -1") + 1, text.index("    undr: 2") + 1} <= lines
    for said in (
        "`charter.costs.over`",
        "`charter.costs.under` is missing",
        "`charter.costs.undr` is not a known key",
        "`charter.decision_threshold`: an amount is no decision: write null instead of 0.3",
        "`charter.kpi.formula` is missing",
    ):
        assert said in str(caught.value)


def test_a_charter_that_is_no_mapping_is_named_once(made: Delays) -> None:
    path = made.folder / "pilot.yaml"
    content = yaml.safe_load(path.read_text("utf-8")) | {"charter": "none yet"}
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    assert "`charter`: Input should be a valid dictionary" in refusal(made)


def test_rates_of_decisions_cannot_limit_amounts(made: Delays) -> None:
    path = made.folder / "contract.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    column = next(c for c in content["schema"][0]["properties"] if c["name"] == "carrier")
    column["tags"].append("protected")
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    for measure, fits in (("true_positive_rate", False), ("mean_answer", True)):
        charter(made, fairness={"limited": [measure], "reason": "An example of a choice"})
        made.edit(gate={"fairness": {"minimum_rows": 100, "limits": {measure: {"carrier": 0.2}}}})
        if fits:
            assert made.pilot.file.gate.fairness is not None
        else:
            said = refusal(made)
            assert (
                "fairness of a regression is measured by mean_answer, calibration; true_positive_rate does not"
                in said
            )


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.lists(st.floats(-1e7, 1e7, allow_subnormal=False), min_size=1, max_size=9),
)
def test_the_unit_interval_and_back(low: float, width: float, values: list[float]) -> None:
    scale = Scale(low, low + width)
    unit = scale.to_unit(values)
    assert ((unit >= 0) & (unit <= 1)).all()
    held = np.clip(values, scale.low, scale.high)
    np.testing.assert_allclose(scale.from_unit(unit), held, atol=1e-9 * (abs(low) + width), rtol=1e-9)
    assert np.isnan(scale.to_unit([np.nan])).all()
