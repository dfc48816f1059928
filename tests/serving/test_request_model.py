"""What a caller may send is what the contract says, and nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import to_json

from pipelines.replaying import request_rows
from serving.request_model import MAX_ROWS, batch_adapter, example, expected, row_adapter
from tremplin.contract import Contract, load_contract


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(Path("pilots/flights/contract.yaml"))


def test_the_contracts_own_examples_fit(contract: Contract) -> None:
    row = row_adapter(contract).validate_json(json.dumps(example(contract)))
    assert json.loads(to_json(row)) == example(contract)


def test_every_real_row_fits(contract: Contract, release_factory: Any) -> None:
    rows = request_rows(release_factory.rows.sample(3000, random_state=1), contract)
    batch = batch_adapter(contract).validate_json(json.dumps({"rows": rows}))
    assert [row["flight_id"] for row in batch["rows"]] == [row["flight_id"] for row in rows]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("distance", True),  # not 1.0
        ("distance", "1400"),
        ("distance", 9),
        ("distance", 6001),
        ("distance", float("nan")),
        ("temp", float("inf")),
        ("distance", None),  # required
        ("weekday", 1.0),
        ("weekday", True),
        ("weekday", 10**400),
        ("origin", "ewr"),
        ("origin", None),
        ("carrier", "UAL"),
        ("dest", "IAH\n"),
        ("dest", 7),
        ("flight_id", "x" * 41),
        ("flight_id", None),
        ("scheduled_departure", "2013-07-01T10:15:00"),  # which hour?
        ("scheduled_departure", 1372673700),
        ("scheduled_departure", "0001-01-01T00:00:00+14:00"),  # before year 1 in UTC
        ("scheduled_departure", "yesterday"),
        ("late", True),  # the target is not the caller's to say
        ("colour", "blue"),
    ],
)
def test_what_does_not_fit_is_refused(contract: Contract, field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as error:
        row_adapter(contract).validate_json(json.dumps({**example(contract), field: value}))
    assert {found["loc"][0] for found in error.value.errors()} == {field}


def test_what_may_be_missing_may_be_null_or_left_out(contract: Contract) -> None:
    model = row_adapter(contract)
    given = example(contract)
    without = {name: value for name, value in given.items() if name != "wind_gust"}
    for row in ({**given, "wind_gust": None}, without):
        assert model.validate_json(json.dumps(row)).get("wind_gust") is None


def test_a_whole_number_is_a_number(contract: Contract) -> None:
    row = row_adapter(contract).validate_json(json.dumps({**example(contract), "distance": 1400}))
    assert row["distance"] == 1400.0


def test_a_batch_has_a_limit(contract: Contract) -> None:
    one = example(contract)
    batch = batch_adapter(contract)
    with pytest.raises(ValidationError):
        batch.validate_json(json.dumps({"rows": [one] * (MAX_ROWS + 1)}))
    with pytest.raises(ValidationError):
        batch.validate_json('{"rows": []}')


def test_what_is_expected_is_said_in_words(contract: Contract) -> None:
    words = {column.name: expected(column) for column in contract.request_columns}
    assert words["origin"] == "one of EWR, JFK, LGA"
    assert words["temp"] == "a number from -20 to 120 (degree Fahrenheit), or null"
    assert words["carrier"] == "text of 2 characters"
    assert words["desk"] == "text of at most 10 characters"
    assert words["dest"] == "text that fits ^[A-Z]{3}$"
    assert words["weekday"] == "a whole number from 0 to 6"


def test_a_contract_without_bounds_still_has_those_of_float32_and_of_the_store(contract: Contract) -> None:
    content = contract.model_dump(mode="json", by_alias=True)
    columns = {column["name"]: column for column in content["schema"][0]["properties"]}
    for name in ("temp", "flight_id"):
        columns[name]["logicalTypeOptions"] = {}
    model = row_adapter(Contract.model_validate(content))
    for field, value in (("temp", 1e39), ("flight_id", "x" * 129)):
        with pytest.raises(ValidationError, match=field):
            model.validate_json(json.dumps({**example(contract), field: value}))
    model.validate_json(json.dumps({**example(contract), "temp": 1e38, "flight_id": "x" * 128}))
