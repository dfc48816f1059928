"""The Open Inference Protocol by hand: tensors in JSON and in binary, and what is none of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.serving.conftest import logged
from tremplin.contract import Contract
from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store

Ask = Callable[..., httpx.Response]
INFER = "/v2/models/flights/infer"
DATATYPE = {"string": "BYTES", "timestamp": "BYTES", "number": "FP64", "integer": "INT64", "boolean": "BOOL"}


@pytest.fixture
def contract(release_factory: Any) -> Contract:
    found: Contract = release_factory.pilot.contract
    return found


@pytest.fixture
def challenger(champion: Release, release_factory: Any, settings: Settings) -> Release:
    """A release that answers half of the subjects."""
    release: Release = release_factory(settings.releases, threshold=0.5)
    live = Live(champion=champion.id, challenger=release.id, share=0.5, rollout_key="k")
    change(open_store(settings), "flights", live, by="test", reason="wave")
    return release


def json_inputs(
    contract: Contract, rows: list[dict[str, Any]], shape: list[int] | None = None
) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "shape": shape or [len(rows)],
            "datatype": DATATYPE[column.logicalType],
            "data": [row[column.name] for row in rows],
        }
        for column in contract.request_columns
    ]


def binary_body(contract: Contract, rows: list[dict[str, Any]], **more: Any) -> tuple[bytes, dict[str, str]]:
    """The body and its header, without any library of the protocol's."""
    parts, inputs = [], []
    for column in contract.request_columns:
        values = [row[column.name] for row in rows]
        kind = "FP64" if column.nullable and column.numeric else DATATYPE[column.logicalType]
        if kind == "BYTES":
            texts = [b"" if value is None else str(value).encode() for value in values]
            part = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            code = {"FP64": "d", "INT64": "q", "BOOL": "?"}[kind]
            part = struct.pack(f"<{len(rows)}{code}", *(float("nan") if v is None else v for v in values))
        parts.append(part)
        inputs.append({
            "name": column.name, "shape": [len(rows), 1], "datatype": kind, "parameters": {"binary_data_size": len(part)},
        })  # fmt: skip
    head = json.dumps({"inputs": inputs, **more}).encode()
    return b"".join([head, *parts]), {"Inference-Header-Content-Length": str(len(head))}


def told(answer: httpx.Response) -> dict[str, list[Any]]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def test_json_tensors_are_answered_as_by_predict(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract, settings: Settings
) -> None:
    wanted = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    body = {"id": "42", "inputs": json_inputs(contract, rows)}
    answer = ask("POST", INFER, json=body, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    found = told(answer)
    assert answer.json() | {"outputs": []} == {
        "model_name": "flights", "model_version": champion.id, "id": "42", "outputs": [],
        "parameters": {name: wanted[0][name] for name in ("ai_system", "notice")},
    }  # fmt: skip
    assert found["score"] == [one["score"] for one in wanted]
    assert found["decision"] == [-1 if one["decision"] is None else int(one["decision"]) for one in wanted]
    assert found["excluded"] == [one["excluded"] or "" for one in wanted]
    entries = {entry.prediction_id: entry for entry in logged(settings)}
    assert [entries[one].key for one in found["prediction_id"]] == [row["flight_id"] for row in rows]
    by_predict = entries[wanted[0]["prediction_id"]]
    assert entries[found["prediction_id"][0]].row == by_predict.row
    assert entries[found["prediction_id"][0]].traceparent == f"00-{'a' * 32}-{'b' * 16}-01"


def test_binary_tensors_are_answered_as_by_predict(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract, settings: Settings
) -> None:
    rows = [*rows, rows[0] | {"carrier": "OO"}, rows[0] | {"seats": None}]
    wanted = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    body, headers = binary_body(contract, rows)
    found = told(ask("POST", INFER, content=body, headers=headers))
    assert found["score"] == [one["score"] for one in wanted]
    assert found["decision"][-2:] == [-1, int(wanted[-1]["decision"])]
    entries = {entry.prediction_id: entry for entry in logged(settings)}
    for one, other in zip(found["prediction_id"], wanted, strict=True):
        assert entries[one].row == entries[other["prediction_id"]].row


def test_outputs_are_selected_and_sent_in_binary(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract
) -> None:
    outputs = [{"name": "cohort", "parameters": {"binary_data": True}}, {"name": "decision"}]
    body, headers = binary_body(contract, rows[:2], outputs=outputs)
    answer = ask("POST", INFER, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    size = int(answer.headers["inference-header-content-length"])
    cohort, decision = json.loads(answer.content[:size])["outputs"]
    assert cohort == {
        "name": "cohort",
        "shape": [2],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": 24},
    }
    assert answer.content[size:] == 2 * (struct.pack("<I", 8) + b"champion")
    assert decision["name"] == "decision"
    assert set(decision["data"]) <= {0, 1}


def test_a_column_that_may_be_missing_may_be_left_out(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract
) -> None:
    without = [row | {"seats": None} for row in rows[:3]]
    wanted = ask("POST", "/predict", json={"rows": without}).json()["predictions"]
    inputs = [one for one in json_inputs(contract, without) if one["name"] != "seats"]
    assert told(ask("POST", INFER, json={"inputs": inputs}))["score"] == [one["score"] for one in wanted]


def test_a_value_that_does_not_fit_is_named_as_by_predict(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract, settings: Settings
) -> None:
    for other in ({"origin": "SFO"}, {"distance": 7000.0}, {"distance": float("nan")}, {"flight_id": "\0"},
                   {"scheduled_departure": "2013-01-01"}, {"dest": "iah"}, {"weekday": 7}, {"flight_id": "x" * 41}):  # fmt: skip
        wrong = [rows[0], rows[1] | other]
        wanted = ask(
            "POST",
            "/predict",
            content=json.dumps({"rows": wrong}),
            headers={"content-type": "application/json"},
        )
        body, headers = binary_body(contract, wrong)
        got = ask("POST", INFER, content=body, headers=headers)
        assert got.status_code == wanted.status_code == 422, got.text
        assert got.json() == {"error": f"{wanted.json()['title']}. {wanted.json()['detail']}"}
    assert logged(settings) == []


def test_the_rollout_and_its_versions(
    champion: Release, challenger: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract
) -> None:
    assert ask("GET", "/v2/models/flights").json()["versions"] == [champion.id, challenger.id]
    body = {"inputs": json_inputs(contract, rows)}
    found = told(ask("POST", INFER, json=body))
    wanted = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    assert found["release"] == [one["release"] for one in wanted]
    assert set(found["cohort"]) == {"champion", "challenger"}
    for version in (champion.id, challenger.id, "1"):
        answer = ask("POST", f"/v2/models/flights/versions/{version}/infer", json=body)
        assert answer.json()["model_version"] == version
    for path in ("flights/versions/2", "flights/versions/0000000000000000", "support"):
        for asked in (ask("GET", f"/v2/models/{path}"), ask("GET", f"/v2/models/{path}/ready"),
                      ask("POST", f"/v2/models/{path}/infer", json=body)):  # fmt: skip
            assert asked.status_code == 404
            assert list(asked.json()) == ["error"]


def test_what_is_no_request_of_the_protocol(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract, settings: Settings
) -> None:
    good = json_inputs(contract, rows[:2])

    def changed(**change: Any) -> dict[str, Any]:
        return {"inputs": [good[0] | change, *good[1:]]}

    bodies: list[Any] = [
        {}, [], None, {"inputs": []}, {"inputs": good[:-1], "more": 1}, {"inputs": good[1:]}, {"inputs": [*good, good[0]]},
        {"inputs": [*good, good[0] | {"name": "more"}]}, changed(shape=[3]), changed(shape=[-2]), changed(shape=[2, 2]),
        changed(shape=[]), changed(shape=[2**62]), changed(shape=[2**70]), changed(shape=[2.0]), changed(shape=[1, 2]),
        changed(datatype="FP64"), changed(datatype="FP128"), changed(data=[1, 2]), changed(data=["a"]),
        changed(data=[["a", "b"]]),
        changed(parameters={"binary_data_size": 3}), changed(parameters={"shared_memory_region": "x"}),
        {"inputs": good, "outputs": [{"name": "x"}]}, {"inputs": good, "outputs": [{"name": "score"}] * 2},
        {"inputs": good, "outputs": [{"name": "score", "parameters": {"classification": 2}}]},
        {"inputs": json_inputs(contract, [], [0])}, {"inputs": json_inputs(contract, rows[:1] * 5001)},
    ]  # fmt: skip
    for body in bodies:
        answer = ask("POST", INFER, json=body)
        assert answer.status_code == 400, (body, answer.text)
        assert list(answer.json()) == ["error"]
    assert logged(settings) == []


def test_lengths_that_do_not_fit(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], contract: Contract, settings: Settings
) -> None:
    body, headers = binary_body(contract, rows[:2])
    size = int(headers["Inference-Header-Content-Length"])
    cases: list[tuple[bytes, str]] = [
        (body, "0"), (body, "-1"), (body, str(size - 1)), (body, str(size + 1)), (body, str(len(body) + 1)), (body, "x"),
        (body, "9" * 30), (body, "\u0661"), (body[:-1], str(size)), (body + b"\0", str(size)), (body[:size], str(size)),
    ]  # fmt: skip
    for content, length in cases:
        answer = ask(
            "POST", INFER, content=content, headers=[(b"inference-header-content-length", length.encode())]
        )
        assert answer.status_code == 400, (length, answer.text)
    assert ask("POST", INFER, content=body, headers=headers | {"content-encoding": "gzip"}).status_code == 415
    assert (
        ask("POST", INFER, content=body, headers=headers | {"content-type": "text/plain"}).status_code == 415
    )
    assert (
        ask("POST", INFER, content=body, headers=headers | {"origin": "http://elsewhere"}).status_code == 415
    )
    assert ask("POST", INFER, content=bytes(8 * 2**20 + 1)).status_code == 413
    assert logged(settings) == []


def test_nothing_is_live(ask: Ask) -> None:
    assert ask("GET", "/v2/health/live").status_code == 200
    assert ask("GET", "/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/health/ready", "/v2/models/flights", "/v2/models/flights/ready"):
        answer = ask("GET", path)
        assert answer.status_code == 503, path
        assert answer.headers["retry-after"] == "1"
        assert list(answer.json()) == ["error"]
