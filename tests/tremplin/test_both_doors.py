"""Rows of a batch and rows of a request are judged alike: the same contract, the same value, the same answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from pipelines.replaying import request_rows
from serving.request_model import row_adapter
from tremplin.batch_checks import check_rows
from tremplin.contract import Contract
from tremplin.pilot import Pilot


@pytest.fixture(scope="module")
def row(pilot: Pilot) -> pd.DataFrame:
    """One real departure, as a caller sends it."""
    found: pd.DataFrame = pilot.source.fetch(
        datetime(2013, 2, 8, 15, tzinfo=UTC), datetime(2013, 2, 8, 16, tzinfo=UTC)
    )
    return found[[column.name for column in pilot.contract.request_columns]].head(1)


def changed(contract: Contract, name: str, fields: dict[str, Any]) -> Contract:
    """The contract with other fields of one column; its example is the value that must pass."""
    content = contract.model_dump(mode="json", by_alias=True, exclude_none=True)
    column = next(c for c in content["schema"][0]["properties"] if c["name"] == name)
    column |= fields
    return Contract.model_validate(content)


def through_both_doors(row: pd.DataFrame, contract: Contract, name: str, value: Any) -> list[bool]:
    batch = row.assign(**{name: pd.Series([value], index=row.index, dtype=object)})
    [sent] = request_rows(row, contract)
    try:
        row_adapter(contract).validate_json(json.dumps(sent | {name: value}))
    except ValidationError:
        passed = False
    else:
        passed = True
    return [not check_rows(batch, contract, columns="request").breaches, passed]


PATTERNS = [
    r"^[A-Z]{3}$", r"[A-Z]{3}", r"^\w+$", r"^\d+$", r"^a\s?$", r"^(a|b)$|^c$", r"(?i)^iah$", r"^[^\n]*$", r"^.+$", r"^a$|^[$]$",
]  # fmt: skip
TEXTS = [
    "IAH", "IAH\n", "iah", "xIAHx", "12", "12\n", "٣", "é", "a", "a\n", "a ", "a\x1c", "b\n", "a\nb", "a\r", "a\x85", "$", "$\n",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_of_texts_and_forms(row: pd.DataFrame, pilot: Pilot, pattern: str) -> None:
    fitting = {r"^\d+$": "12", r"^a\s?$": "a", r"^(a|b)$|^c$": "c", r"^a$|^[$]$": "a"}.get(pattern, "IAH")
    fields = {"logicalTypeOptions": {"pattern": pattern}, "examples": [fitting]}
    contract = changed(pilot.contract, "dest", fields)
    assert through_both_doors(row, contract, "dest", fitting) == [True, True]
    judged = {text: through_both_doors(row, contract, "dest", text) for text in TEXTS}
    assert {text: doors for text, doors in judged.items() if len(set(doors)) > 1} == {}


def test_a_line_break_after_a_code_is_refused_by_both(row: pd.DataFrame, pilot: Pilot) -> None:
    assert through_both_doors(row, pilot.contract, "dest", "IAH\n") == [False, False]


WEEKDAY = {"examples": [3]}
WHOLE = [-(10**400), -(2**63), -1, 0, 1, 2, 3, 6, 7, 8, 2**31, 2**53, 2**62, 2**64, 10**39, 10**400]


@pytest.mark.parametrize(
    "bounds",
    [{"minimum": 0.5, "maximum": 6.5}, {"minimum": -0.5}, {"maximum": 6.5}, {}, {"minimum": 0, "maximum": 1e39}],
)  # fmt: skip
def test_of_whole_numbers_and_any_bounds(row: pd.DataFrame, pilot: Pilot, bounds: dict[str, float]) -> None:
    contract = changed(pilot.contract, "weekday", WEEKDAY | {"logicalTypeOptions": bounds})
    judged = {value: through_both_doors(row, contract, "weekday", value) for value in WHOLE}
    assert {value: doors for value, doors in judged.items() if len(set(doors)) > 1} == {}
    assert judged[3] == [True, True]
    assert judged[10**400] == [False, False]
    assert judged[7] == ([False, False] if bounds.get("maximum") == 6.5 else [True, True])


def test_of_numbers_that_the_model_cannot_hold(row: pd.DataFrame, pilot: Pilot) -> None:
    contract = changed(pilot.contract, "temp", {"logicalTypeOptions": {}})
    for value in (1e38, -1e38, 1e39, -1e39, float("inf"), 0):
        assert len(set(through_both_doors(row, contract, "temp", value))) == 1, value
    assert through_both_doors(row, contract, "temp", 1e39) == [False, False]


def test_of_keys_that_the_store_cannot_hold(row: pd.DataFrame, pilot: Pilot) -> None:
    contract = changed(pilot.contract, "flight_id", {"logicalTypeOptions": {}})
    assert through_both_doors(row, contract, "flight_id", "x" * 128) == [True, True]
    assert through_both_doors(row, contract, "flight_id", "x" * 129) == [False, False]


def test_a_subject_that_is_a_whole_number_without_bounds(row: pd.DataFrame, pilot: Pilot) -> None:
    fields = {"logicalType": "integer", "logicalTypeOptions": {}, "examples": [7]}
    contract = changed(pilot.contract, "desk", fields)
    rows = row.assign(desk=7)
    assert through_both_doors(rows, contract, "desk", 2**40) == [True, True]
    assert through_both_doors(rows, contract, "desk", 2**63) == [False, False]


def test_bounds_between_which_there_is_no_whole_number_are_refused(pilot: Pilot) -> None:
    with pytest.raises(ValidationError, match="examples"):
        changed(pilot.contract, "weekday", {"logicalTypeOptions": {"minimum": 0.2, "maximum": 0.8}})


def test_times_that_no_analysis_can_hold_are_refused(row: pd.DataFrame, pilot: Pilot) -> None:
    early = row.assign(scheduled_departure=pd.DatetimeIndex(["1600-01-01T00:00:00Z"]).as_unit("us"))
    [breach] = check_rows(early, pilot.contract, columns="request").breaches
    assert str(breach).endswith(
        "Send times of the years 1700 to 2199. If the new values are right, change contract.yaml first."
    )
