"""Whatever is sent to the Open Inference Protocol: an answer or a 4xx, and columns judged whole as rows are judged one by one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.inference_protocol.binary import NUMBERS
from serving.inference_protocol.columns import ColumnReader, datatypes
from serving.inference_protocol.request import Request, Tensor, read_request
from serving.problems import Problem
from serving.releases import Servable, open_servable
from serving.request_model import batch_adapter, row_adapter
from tests.serving.test_inference_protocol import binary_body
from tremplin.column import Column, Range
from tremplin.contract import Contract

FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
NAN = float("nan")


@pytest.fixture(scope="module")
def servable(release_factory: Any, tmp_path_factory: pytest.TempPathFactory) -> Servable:
    folder = tmp_path_factory.mktemp("releases")
    release = release_factory(folder)
    return open_servable(folder, release.id, release_factory.public_key, "flights")


@pytest.fixture(scope="module")
def good(release_factory: Any) -> list[dict[str, Any]]:
    from pipelines.replaying import request_rows

    return request_rows(release_factory.rows.head(3), release_factory.pilot.contract)


@pytest.fixture(scope="module")
def every_kind(servable: Servable) -> Servable:
    """The same release with a contract of few columns: each type, required and not."""
    contract = servable.contract
    key, time, code, text = (
        contract.column(name) for name in ("flight_id", "scheduled_departure", "dest", "carrier")
    )
    text = text.model_copy(update={"logicalTypeOptions": Range()})
    number, whole = contract.column("distance"), contract.column("weekday")
    yes = whole.model_copy(update={"logicalType": "boolean", "logicalTypeOptions": Range()})
    wide = whole.model_copy(update={"logicalTypeOptions": Range()})
    named = {"code": code, "text": text, "number": number, "whole": whole, "wide": wide, "yes": yes}
    columns = [key, time] + [
        column.model_copy(update={"name": f"{name}{suffix}", "required": not suffix})
        for name, column in named.items()
        for suffix in ("", "_or_none")
    ]
    outcome = [contract.column(name) for name in (contract.target, contract.label_time)]
    table = contract.schema_[0].model_copy(update={"properties": [*columns, *outcome]})
    made = contract.model_copy(update={"schema_": [table]})
    blank = dict.fromkeys(column.name for column in made.request_columns)
    return replace(servable, contract=made, row=row_adapter(made), batch=batch_adapter(made), blank=blank)


def outcome(work: Callable[[], Any]) -> Any:
    """What came of it: rows, or the status."""
    try:
        return work()
    except Problem as problem:
        status: int = problem.document["status"]
        return status if 400 <= status < 500 else problem


@FEW
@given(data=st.data())
def test_bytes_of_any_kind_end_in_rows_or_a_4xx(
    servable: Servable, good: list[dict[str, Any]], data: st.DataObject
) -> None:
    body, headers = binary_body(servable.contract, good)
    size = int(headers["Inference-Header-Content-Length"])
    kind = data.draw(st.sampled_from(["flip", "cut", "length", "random", "insert"]))
    length: str | None = str(size)
    if kind == "flip":
        place = data.draw(st.integers(0, len(body) - 1))
        body = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    elif kind == "cut":
        body = body[: data.draw(st.integers(0, len(body)))]
    elif kind == "insert":
        place = data.draw(st.integers(0, len(body)))
        body = body[:place] + data.draw(st.binary(max_size=9)) + body[place:]
    elif kind == "length":
        length = data.draw(st.one_of(st.none(), st.integers(-5, 2**70).map(str), st.text(max_size=8)))
    else:
        body = data.draw(st.binary(max_size=200))
        length = data.draw(st.one_of(st.none(), st.integers(0, 250).map(str)))
    reader = ColumnReader(servable)
    found = outcome(lambda: reader.rows(read_request(body, length)))
    assert isinstance(found, int) or len(found) == 3


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none(), st.text(max_size=3))
anything = st.recursive(
    numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@FEW
@given(data=st.data())
def test_json_of_any_kind_ends_in_rows_or_a_4xx(
    servable: Servable, good: list[dict[str, Any]], data: st.DataObject
) -> None:
    inputs = [
        {
            "name": column.name,
            "shape": [3],
            "datatype": datatypes(column)[0],
            "data": [row[column.name] for row in good],
        }
        for column in servable.contract.request_columns
    ]
    asked: dict[str, Any] = {"inputs": inputs, "id": "1", "parameters": {}, "outputs": [{"name": "score"}]}
    place: Any = data.draw(st.sampled_from([asked, *inputs]))
    name = data.draw(st.sampled_from([*place, "parameters"]))
    values = anything
    if name == "shape":
        values = st.lists(st.integers(-(2**70), 2**70) | st.sampled_from([1, 3]), max_size=3)
    if name == "data":
        values = st.lists(numbers, min_size=3, max_size=3)
    if name == "parameters":
        values = st.dictionaries(
            st.sampled_from(["binary_data_size", "binary_data_output", "x"]), anything, max_size=2
        )
    place[name] = data.draw(values)
    reader = ColumnReader(servable)
    found = outcome(lambda: reader.rows(read_request(json.dumps(asked).encode(), None)))
    assert isinstance(found, int) or len(found) == 3


def _values(contract: Contract, name: str) -> st.SearchStrategy[Any]:
    column = contract.column(name)
    if datatypes(column) == ("BYTES",):
        texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=45)
        near = [str(value) for value in column.examples] + (column.categories or [])
        return st.tuples(
            st.just("BYTES"),
            st.lists(texts | st.sampled_from(["", "IAH", "\0", "IAH\0", *near]), min_size=3, max_size=3),
        )
    low, high = column.limits if column.logicalType != "boolean" else (0, 1)
    edges = [
        low,
        high,
        low - 1,
        high + 1,
        np.nextafter(high, np.inf),
        np.nextafter(low, -np.inf),
        0.5,
        3,
        NAN,
        np.inf,
        -0.0,
    ]

    def of(datatype: str) -> st.SearchStrategy[Any]:
        kind = NUMBERS[datatype]
        if kind.kind == "f":
            width: Any = kind.itemsize * 8
            fitting = [float(edge) for edge in edges if not np.isfinite(edge) or abs(edge) < 60000]
            element = st.sampled_from([kind.type(edge) for edge in fitting]) | st.floats(width=width).map(
                kind.type
            )
        else:
            bounds = np.iinfo(kind)
            fitting = [int(edge) for edge in edges if np.isfinite(edge) and bounds.min <= edge <= bounds.max]
            element = st.sampled_from([*fitting, bounds.min, bounds.max]) | st.integers(
                bounds.min, bounds.max
            )
        return st.tuples(
            st.just(datatype), st.lists(element, min_size=3, max_size=3).map(lambda v: np.array(v, kind))
        )

    return st.sampled_from([one for one in datatypes(column) if one != "BOOL"]).flatmap(of)


def _fitting(column: Column) -> Tensor:
    if datatypes(column) == ("BYTES",):
        return Tensor("BYTES", [str(column.examples[0])] * 3)
    kind = "BOOL" if datatypes(column) == ("BOOL",) else "FP64"
    return Tensor(
        kind, np.array([1 if column.logicalType == "boolean" else column.examples[0]] * 3, NUMBERS[kind])
    )


@settings(FEW, max_examples=1500)
@given(data=st.data())
def test_columns_are_judged_as_rows_are(every_kind: Servable, data: st.DataObject) -> None:
    """The same tensors, once as binary ones and once as /predict would get them: the same rows, or the same refusal."""
    contract = every_kind.contract
    tensors = {column.name: _fitting(column) for column in contract.request_columns}
    tensors |= {
        name: Tensor("BOOL", np.array([True] * 3)) for name in tensors if tensors[name].datatype == "BOOL"
    }
    changed = data.draw(st.sampled_from(sorted(set(tensors) - {"yes"})))
    datatype, values = data.draw(_values(contract, changed))
    tensors[changed] = Tensor(datatype, values)
    reader = ColumnReader(every_kind)
    whole = outcome(lambda: reader.rows(Request(None, 3, tensors, True, None, False)))
    one_by_one = outcome(lambda: reader.rows(Request(None, 3, tensors, False, None, False)))
    assert whole == one_by_one
    kinds = [{name: type(value) for name, value in row.items()} for row in whole] if whole != 422 else []
    assert kinds == (
        [{name: type(value) for name, value in row.items()} for row in one_by_one] if kinds else []
    )


def test_what_is_huge_costs_little(servable: Servable, good: list[dict[str, Any]]) -> None:
    """Nothing is made of a size before it was compared with what is there."""
    body, headers = binary_body(servable.contract, good)
    size = int(headers["Inference-Header-Content-Length"])
    head = json.loads(body[:size])
    for name, change in (
        ("shape", [2**62]),
        ("shape", [5000, 1]),
        ("parameters", {"binary_data_size": 2**62}),
    ):
        for one in head["inputs"]:
            one[name] = change
        content = json.dumps(head).encode()
        assert outcome(lambda content=content: read_request(content + body[size:], str(len(content)))) == 400
    long = struct.pack("<I", 2**32 - 1) * 3
    asked = json.dumps({"inputs": [
        {"name": "x", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": len(long)}},
    ]}).encode()  # fmt: skip
    assert outcome(lambda: read_request(asked + long, str(len(asked)))) == 400
    deep = b'{"inputs":' + b"[" * 2_000_000
    assert outcome(lambda: read_request(deep, None)) == 400
