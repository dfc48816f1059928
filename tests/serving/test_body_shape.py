"""What cannot be a row is refused for what a glance costs, and what can be one is never refused for its looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import process_time
from typing import Any

import httpx
import pytest

from tremplin.release import Release

Ask = Callable[..., httpx.Response]
JSON = {"content-type": "application/json"}


def send(ask: Ask, body: bytes) -> httpx.Response:
    return ask("POST", "/predict", content=body, headers=JSON)


def with_value(row: dict[str, Any], value: str, *, many: int) -> bytes:
    """JSON in which the last row's distance is ``value``."""
    last = json.dumps({**row, "distance": 0}).replace('"distance": 0', f'"distance": {value}')
    rows = [json.dumps(row)] * (many - 1) + [last]
    return (f'{{"rows": [{", ".join(rows)}]}}' if many > 1 else last).encode()


@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("value", ["[]", "{}", '{"a": {"b": [1]}}', "[[], []]", f"[{', '.join(['[]'] * 4000)}]",
                                   f"{{{', '.join(f'{chr(34)}{n}{chr(34)}: {{}}' for n in range(2000))}}}"])  # fmt: skip
def test_a_list_or_an_object_is_no_value_and_is_named(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], value: str, many: int
) -> None:
    answer = send(ask, with_value(rows[0], value, many=many))
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["row"], fault["field"]) == (many - 1, "distance")


@pytest.mark.parametrize("text", ["[" * 40, "{" * 40, '\\"[{', "a:[b", '": [', "}{"])
def test_text_may_hold_any_bracket(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], text: str
) -> None:
    body = json.dumps({"rows": [{**row, "flight_id": "K"} for row in rows]})
    body = body.replace('"K"', json.dumps(text[:40]) if '\\"' not in text else f'"{text}"')
    answer = send(ask, body.encode())
    assert answer.status_code == 200, answer.text[:300]
    assert len(answer.json()["predictions"]) == len(rows)


def test_far_too_many_fields_are_counted_and_not_looked_at(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    more = ", ".join(f'"x{number}": 1' for number in range(100_000))
    for body in (f"{{{more}}}", f'{{"rows": [{{{more}}}]}}'):
        answer = send(ask, body.encode())
        assert answer.status_code == 422
        assert "100,000 fields in 1 rows" in answer.json()["detail"]


@pytest.mark.parametrize("filling", ["[],", "{},", '{"a":[', '"a":{"b":1},'])
@pytest.mark.parametrize(
    "head", ['{"rows":[{"distance":[', '{"distance":[', '{"rows":[', '{"rows":[{"distance":{']
)
def test_whatever_a_long_body_holds_it_costs_little_and_is_refused(
    champion: Release, ask: Ask, head: str, filling: str
) -> None:
    """Its copies took minutes of processor time before; what a glance takes is below a second wherever it runs."""
    body = (head + filling * (4 * 2**20 // len(filling))).encode()
    begun = process_time()
    answer = send(ask, body)
    assert answer.status_code in (400, 422)
    assert process_time() - begun < 20
