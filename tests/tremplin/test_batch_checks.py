"""Rows against the contract: each breach fires and is named, each harmless difference of storage stays quiet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tremplin.batch_checks import check_rows, require
from tremplin.breach import Breach
from tremplin.contract import Contract
from tremplin.errors import ContractBreach
from tremplin.pilot import Pilot

Change = Callable[[pd.DataFrame], pd.DataFrame]
TEXTS = ["flight_id", "origin", "desk", "carrier", "dest"]


@pytest.fixture(scope="module")
def contract(pilot: Pilot) -> Contract:
    return pilot.contract


@pytest.fixture(scope="module")
def rows(pilot: Pilot) -> pd.DataFrame:
    """Two days of real departures, some cancelled."""
    found: pd.DataFrame = pilot.source.fetch(
        datetime(2013, 2, 8, 5, tzinfo=UTC), datetime(2013, 2, 10, 5, tzinfo=UTC)
    )
    return found


def put(column: str, value: object, *places: int) -> Change:
    """A change of some values; the column is of Python objects then."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        values = rows[column].astype(object)
        values.iloc[list(places)] = value
        return rows.assign(**{column: values})

    return change


def test_real_rows_are_accepted_untouched(rows: pd.DataFrame, contract: Contract) -> None:
    assert rows["late"].isna().any()
    found = check_rows(rows, contract)
    assert found.breaches == []
    assert found.rejected.empty
    pd.testing.assert_frame_equal(found.accepted, rows)
    assert check_rows(rows.iloc[:0], contract).breaches == []


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(lambda r: r.astype(dict.fromkeys(TEXTS, object)), id="text as objects"),
        pytest.param(lambda r: r.astype(dict.fromkeys(TEXTS, "str")), id="text as str"),
        pytest.param(lambda r: r.astype(dict.fromkeys(TEXTS, pd.StringDtype("pyarrow"))), id="text as arrow"),
        pytest.param(lambda r: r.assign(overdue=r["overdue"].astype("float64")), id="whole floats"),
        pytest.param(lambda r: r.astype({"overdue": "Int64", "weekday": "int8"}), id="other integers"),
        pytest.param(lambda r: r.assign(distance=r["distance"].astype("int64")), id="integers for numbers"),
        pytest.param(lambda r: r.assign(temp=r["temp"].astype("float32")), id="float32"),
        pytest.param(lambda r: r.assign(temp=r["temp"].astype(object)), id="numbers as objects"),
        pytest.param(lambda r: r.assign(late=r["late"].astype(object).where(r["late"].notna(), None)), id="booleans as objects"),
        pytest.param(lambda r: r.assign(late=r["late"].fillna(value=False).astype(bool)), id="bool"),
        pytest.param(lambda r: r.assign(scheduled_departure=r["scheduled_departure"].dt.as_unit("ns")), id="nanoseconds"),
        pytest.param(lambda r: r.assign(seats=None), id="nothing known"),
        pytest.param(lambda r: r[r.columns[::-1]], id="another order"),
        pytest.param(lambda r: r.set_index(pd.Index([7] * len(r))), id="an index that repeats"),
    ],
)  # fmt: skip
def test_another_storage_of_the_same_values_is_accepted(
    rows: pd.DataFrame, contract: Contract, store: Change
) -> None:
    assert check_rows(store(rows), contract).breaches == []


@pytest.mark.parametrize(
    ("change", "column", "check", "count", "examples", "advice"),
    [
        (put("seats", "many", 3), "seats", "type", 1, ("'many'",), "Send numbers."),
        (put("overdue", 1.5, 3, 4), "overdue", "type", 2, ("1.5",), "Send whole numbers."),
        (put("carrier", 7, 3), "carrier", "type", 1, ("7",), "Send text."),
        (put("late", "yes", 3), "late", "type", 1, ("'yes'",), "Send true or false."),
        (put("distance", 9.0, 0, 1, 2, 3), "distance", "range", 4, ("9.0",), "from 10 to 6000 mile. If the new values"),
        (put("temp", np.inf, 5), "temp", "range", 1, ("inf",), "from -20 to 120 degree Fahrenheit"),
        (put("carrier", "UAL", 3), "carrier", "length", 1, ("'UAL'",), "Send 2 to 2 characters."),
        (put("dest", "iah", 3), "dest", "pattern", 1, ("'iah'",), "Send text of the form ^[A-Z]{3}$."),
        (put("origin", "BOS", 3, 5), "origin", "category", 2, ("'BOS'",), "Send one of EWR, JFK, LGA."),
        (put("distance", None, 3), "distance", "missing", 1, (), "Fill it: the contract requires it."),
        (put("flight_id", "UA1-EWR-X", 3, 9), "flight_id", "duplicate key", 2, ("'UA1-EWR-X'",), "Send each row once"),
    ],
)  # fmt: skip
def test_each_breach_is_named_with_rows_examples_and_what_to_do(
    *, rows: pd.DataFrame, contract: Contract, change: Change, column: str, check: str, count: int,
    examples: tuple[str, ...], advice: str,
) -> None:  # fmt: skip
    changed = change(rows)
    found = check_rows(changed, contract)
    [breach] = found.breaches
    assert (breach.column, breach.check, breach.count, breach.examples) == (column, check, count, examples)
    assert advice in breach.advice
    assert len(found.rejected) == count
    pd.testing.assert_frame_equal(
        pd.concat([found.accepted, found.rejected]).sort_index(), changed, check_dtype=False
    )


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda r: r.assign(distance=r["distance"].astype(str)), "distance"),
        (lambda r: r.assign(distance=True), "distance"),
        (lambda r: r.assign(late=r["late"].astype("Float64")), "late"),
        (lambda r: r.assign(carrier=r["overdue"]), "carrier"),
        (
            lambda r: r.assign(scheduled_departure=r["scheduled_departure"].dt.tz_localize(None)),
            "scheduled_departure",
        ),
        (
            lambda r: r.assign(scheduled_departure=r["scheduled_departure"].dt.tz_convert("Asia/Tokyo")),
            "scheduled_departure",
        ),
        (lambda r: r.assign(scheduled_departure=r["scheduled_departure"].astype(str)), "scheduled_departure"),
    ],
)
def test_a_column_of_another_type_is_a_breach_and_never_coerced(
    rows: pd.DataFrame, contract: Contract, change: Change, column: str
) -> None:
    changed = change(rows)
    found = check_rows(changed, contract)
    assert [(breach.column, breach.check) for breach in found.breaches] == [(column, "type")]
    assert found.breaches[0].count == changed[column].notna().sum()
    assert len(found.breaches[0].examples) <= 3


def test_a_column_missing_or_too_many_rejects_every_row(rows: pd.DataFrame, contract: Contract) -> None:
    found = check_rows(rows.drop(columns="temp").assign(tailnum="N1"), contract)
    assert [(b.column, b.check, b.count) for b in found.breaches] == [
        ("temp", "column missing", len(rows)),
        ("tailnum", "column too many", len(rows)),
    ]
    assert "Send it (numbers: Temperature at the origin" in found.breaches[0].advice
    assert found.breaches[1].advice == "Describe tailnum in contract.yaml or stop sending it."
    assert found.accepted.empty
    assert len(found.rejected) == len(rows)


def test_a_caller_sends_no_outcome(rows: pd.DataFrame, contract: Contract) -> None:
    request = rows.drop(columns=["late", "late_known_at"])
    assert check_rows(request, contract, columns="request").breaches == []
    assert {b.column for b in check_rows(rows, contract, columns="request").breaches} == {
        "late",
        "late_known_at",
    }
    assert {b.check for b in check_rows(request, contract).breaches} == {"column missing"}


def test_require_names_every_breach_and_keeps_the_rows_aside(
    rows: pd.DataFrame, contract: Contract, tmp_path: Path
) -> None:
    aside = tmp_path / "data" / "rejected.parquet"
    assert require(rows, contract, aside) is rows
    assert not aside.exists()
    changed = put("seats", "many", 3)(put("origin", "BOS", 3, 5)(put("humid", 200.0, 7)(rows)))
    with pytest.raises(ContractBreach) as caught:
        require(changed, contract, aside)
    message = str(caught.value)
    assert f"3 of {len(rows):,} rows are not what the contract 'Departures from New York' says" in message
    assert "seats: type in 1 row, for example 'many'. Send numbers." in message
    assert "origin: category in 2 rows, for example 'BOS'. Send one of EWR, JFK, LGA." in message
    assert "humid: range in 1 row, for example 200.0. Send numbers from 0 to 100 percent." in message
    assert str(aside) in message
    kept = pd.read_parquet(aside)
    assert list(kept["flight_id"]) == list(changed.iloc[[3, 5, 7]]["flight_id"])
    assert require(rows, contract, aside) is rows
    assert not aside.exists()


@pytest.mark.parametrize("classification", ["personal", "special"])
def test_a_breach_shows_no_value_of_a_person(
    rows: pd.DataFrame, contract: Contract, tmp_path: Path, classification: str
) -> None:
    content = contract.model_dump(mode="json", by_alias=True)
    for column in content["schema"][0]["properties"]:
        if column["name"] in ("flight_id", "origin", "humid", "seats") and classification == "personal":
            column |= {
                "classification": "personal",
                "customProperties": [{"property": "purpose", "value": "x"}],
            }
        if column["name"] == "carrier" and classification == "special":
            purpose = {"property": "purpose", "value": "x"}
            column |= {"classification": "special", "tags": ["protected"], "customProperties": [purpose]}
    of_people = Contract.model_validate(content)
    changed = put("flight_id", rows["flight_id"].iloc[0], 1)(
        put("seats", "many", 3)(
            put("origin", "BOS", 3, 5)(put("humid", 200.0, 7)(put("carrier", 17, 9)(rows)))
        )
    )
    with pytest.raises(ContractBreach) as caught:
        require(changed, of_people, tmp_path / "rejected.parquet")
    message = str(caught.value)
    assert "carrier: type in 1 row" in message
    assert ("for example 17" in message) is (classification == "personal")
    if classification == "personal":
        for rule in (
            "origin: category in 2 rows. Send one of EWR, JFK, LGA.",
            "humid: range in 1 row. Send numbers from 0 to 100",
            "seats: type in 1 row. Send numbers.",
            "flight_id: duplicate key in 2 rows. Send each row once",
        ):
            assert rule in message
        assert not [value for value in ("BOS", "200", "many", rows["flight_id"].iloc[0]) if value in message]


def test_a_breach_reads_as_a_sentence() -> None:
    breach = Breach("temp", "range", 1234, ("1.0", "2.0"), "Send less.")
    assert str(breach) == "temp: range in 1,234 rows, for example 1.0, 2.0. Send less."
