"""What a body may be: JSON that says so, each field once, rows that fit; every fault is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving.request_body import _surely_once
from tests.serving.conftest import logged
from tremplin.release import Release
from tremplin.settings import Settings

Ask = Callable[..., httpx.Response]

JSON = {"Content-Type": "application/json"}


def test_every_fault_names_row_field_got_and_expected(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    missing = {name: value for name, value in rows[0].items() if name != "carrier"}
    faulty = [rows[0], {**rows[1], "origin": "CDG", "temp": 999, "colour": "blue"}, missing, "a row"]
    answer = ask("POST", "/predict", json={"rows": faulty})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [
        {"row": 1, "field": "origin", "got": '"CDG"', "expected": "one of EWR, JFK, LGA"},
        {
            "row": 1,
            "field": "temp",
            "got": "999",
            "expected": "a number from -20 to 120 (degree Fahrenheit), or null",
        },
        {"row": 1, "field": "colour", "got": '"blue"', "expected": "no such field"},
        {"row": 2, "field": "carrier", "got": "nothing", "expected": "text of 2 characters"},
        {"row": 3, "field": "", "got": '"a row"', "expected": "an object with the contract's fields"},
    ]
    assert answer.json()["detail"] == '5 faults; row 1, origin: got "CDG", expected one of EWR, JFK, LGA.'
    assert logged(settings) == []  # all or none


def test_no_more_than_twenty_faults_are_listed(champion: Release, ask: Ask) -> None:
    answer = ask("POST", "/predict", json={"rows": [{}] * 5000})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"].startswith("The first 20 faults")


def test_a_long_wrong_value_is_cut(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> None:
    answer = ask("POST", "/predict", json={**rows[0], "flight_id": "x" * 10_000})
    assert len(answer.json()["errors"][0]["got"]) == 101


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 422, "fields"),
        (b"null", 422, "fields"),
        (b'{"rows": []}', 422, "1 to 5,000 rows"),
        (b'{"rows": [{}], "more": 1}', 422, "faults"),
        (b'{"rows": {}}', 422, "no such field"),
        (b'{"rows": [' + b"{}," * 5000 + b"{}]}", 422, "faults"),
        (b'{"flight_id": "a\\u0000"}', 422, "U+0000"),
        (b" " * (8 * 2**20 + 1), 413, "8 MiB"),
    ],
)
def test_a_body_that_is_no_request_is_refused(
    champion: Release, ask: Ask, body: bytes, status: int, reason: str
) -> None:
    answer = ask("POST", "/predict", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert reason in answer.text


def pretty(row: dict[str, Any]) -> bytes:
    return json.dumps(row, indent=2, separators=(" , ", " : ")).encode()


def compact(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


def indented(row: dict[str, Any]) -> bytes:
    return json.dumps(row, indent="\t").encode()


def broken_lines(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",\r\n", "\r\n:\t")).encode()


WRITTEN = [pretty, compact, indented, broken_lines]


@pytest.mark.parametrize("write", WRITTEN)
@pytest.mark.parametrize("again", [b'"distance"', b'"distanc\\u0065"'])
def test_a_field_that_is_there_twice_is_refused_by_name(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], write: Callable[..., bytes], again: bytes
) -> None:
    row = {
        name: value for name, value in rows[0].items() if name != "wind_gust"
    }  # one missing, one twice: as many
    twice = write(row).replace(b"{", b"{" + again + b":11,", 1)
    for body in (twice, b'{"rows":[' + write(rows[1]) + b"," + twice + b"]}"):
        answer = ask("POST", "/predict", content=body, headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["detail"] == 'The field "distance" is there twice; send it once.'
    lists = b'{"rows":[' + write(rows[0]) + b'],"rows":[' + write(rows[1]) + b"]}"
    assert '"rows" is there twice' in ask("POST", "/predict", content=lists, headers=JSON).json()["detail"]


@pytest.mark.parametrize("write", WRITTEN)
def test_a_field_that_is_there_once_passes_however_it_is_written(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], write: Callable[..., bytes], settings: Settings
) -> None:
    quoting = {**rows[0], "flight_id": 'a ":" b : c', "wind_gust": None}
    missing = {name: value for name, value in rows[1].items() if name != "wind_gust"}
    for row in (quoting, missing):
        assert ask("POST", "/predict", content=write(row), headers=JSON).status_code == 200
        many = b'{"rows":[' + write(row) + b"]}"
        assert ask("POST", "/predict", content=many, headers=JSON).status_code == 200
    assert {entry.row["wind_gust"] for entry in logged(settings)} == {None}
    assert {tuple(entry.row) for entry in logged(settings)} == {tuple(rows[0])}


def test_spaces_and_lines_do_not_cost_a_second_reading(rows: list[dict[str, Any]]) -> None:
    for write in WRITTEN:
        assert _surely_once(write(rows[0]), len(rows[0]))
        assert not _surely_once(b'{"a" \n:1,' + write(rows[0])[1:], len(rows[0]))


@pytest.mark.parametrize(
    "given", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", None]
)
def test_a_body_that_is_not_said_to_be_json_is_refused(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], given: str | None
) -> None:
    headers = {"Content-Type": given} if given else {}
    answer = ask("POST", "/predict", content=json.dumps(rows[0]), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
    assert answer.headers["accept"] == "application/json"
    assert f"Content-Type: application/json; got {given or 'none'}." in answer.json()["detail"]


@pytest.mark.parametrize("given", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_body_that_is_said_to_be_json_passes(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], given: str
) -> None:
    answer = ask("POST", "/predict", content=json.dumps(rows[0]), headers={"Content-Type": given})
    assert answer.status_code == 200


def test_nothing_stands_beside_the_rows(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> None:
    answer = ask("POST", "/predict", json={"rows": rows, "threshold": 0.1})
    assert (answer.status_code, "nothing beside it" in answer.json()["detail"]) == (422, True)


def test_not_a_number_is_refused_where_json_lets_it_pass(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    for value, written in ((float("nan"), "NaN"), (float("inf"), "Infinity")):
        answer = ask("POST", "/predict", content=json.dumps({**rows[0], "temp": value}), headers=JSON)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["got"] == written


def test_a_row_of_very_many_faults_is_refused_without_listing_them(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    crowd = {f"f{number}": number for number in range(20_000)}
    for body in (crowd, {"rows": [rows[0], crowd]}, {"rows": [{**rows[0], "colour": "blue"}, crowd]}):
        answer = ask("POST", "/predict", json=body)
        assert answer.status_code == 422
        assert len(answer.content) < 4_000
