"""A column may have any name that the contract allows, also one that pydantic or Python keeps for itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import onnx
import pytest
import sqlalchemy as sa

from tremplin.live import Live, change
from tremplin.settings import Settings
from tremplin.store import open_store, predictions

KEPT = {
    "flight_id": "model_construct", "scheduled_departure": "model_validate", "desk": "self", "distance": "model_dump",
    "temp": "json", "humid": "copy", "dest": "schema", "carrier": "class", "visib": "model_config", "seats": "dict",
}  # fmt: skip


def in_contract(content: bytes) -> bytes:
    text = content.decode()
    for name, kept in KEPT.items():
        assert f"- name: {name}\n" in text
        text = text.replace(f"- name: {name}\n", f"- name: {kept}\n")
    return text.encode()


def in_profile(content: bytes) -> bytes:
    text = content.decode()
    for name, kept in KEPT.items():
        text = text.replace(f'"{name}"', f'"{kept}"')  # keys, and the columns of the segments left out
    return text.encode()


def in_model(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    for graph_input in model.graph.input:
        graph_input.name = KEPT.get(graph_input.name, graph_input.name)
    for node in model.graph.node:
        node.input[:] = [KEPT.get(name, name) for name in node.input]
    return bytes(model.SerializeToString())


@pytest.fixture
def kept(release_factory: Any, settings: Settings) -> None:
    edits = {"contract.yaml": in_contract, "profile.json": in_profile, "model.onnx": in_model}
    release = release_factory(settings.releases, edit=edits)
    change(open_store(settings), settings.pilot, Live(champion=release.id), by="test", reason="go")


def test_names_that_pydantic_or_python_keep_are_served_like_any_other(
    kept: None, ask: Callable[..., httpx.Response], rows: list[dict[str, Any]], settings: Settings
) -> None:
    named = [{KEPT.get(name, name): value for name, value in row.items()} for row in rows[:20]]
    answers = ask("POST", "/predict", json={"rows": named}).json()["predictions"]
    assert [answer["key"] for answer in answers] == [row["flight_id"] for row in rows[:20]]
    alone = ask("POST", "/predict", json={**named[0], "json": 119.5})
    assert alone.json()["out_of_range"] == ["json"]
    missing = {name: value for name, value in named[0].items() if name != "copy"}
    assert ask("POST", "/predict", json=missing).status_code == 200
    with open_store(settings).connect() as connection:
        stored = connection.scalars(sa.select(predictions.c.row).order_by(predictions.c.received_at)).all()
    assert {tuple(row) for row in stored} == {tuple(named[0])}
    assert stored[-1]["copy"] is None


def test_their_faults_and_their_description_name_them(
    kept: None, ask: Callable[..., httpx.Response], rows: list[dict[str, Any]]
) -> None:
    named = {KEPT.get(name, name): value for name, value in rows[0].items()}
    answer = ask("POST", "/predict", json={**named, "schema": "iah"})
    assert answer.json()["errors"][0]["field"] == "schema"
    described = ask("GET", "/openapi.json").json()["components"]["schemas"]["Row"]["properties"]
    assert list(described) == list(named)
    assert json.dumps(described["json"]).count("degree Fahrenheit") == 1
