"""The Open Inference Protocol by a client of its own, against a server in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conftest import Served
from tremplin.contract import Contract
from tremplin.release import Release

NUMPY = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BYTES": np.object_}


@pytest.fixture
def served(champion: Release, serve: Callable[..., Served]) -> Served:
    return serve()


@pytest.fixture
def client(served: Served) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(served.url.removeprefix("http://")) as one:
        yield one


@pytest.fixture
def contract(release_factory: Any) -> Contract:
    found: Contract = release_factory.pilot.contract
    return found


def inputs(
    client: triton.InferenceServerClient, rows: list[dict[str, Any]], *, binary: bool = True
) -> list[triton.InferInput]:
    """Tensors as the server's metadata asks for them."""
    made = []
    for one in client.get_model_metadata("flights")["inputs"]:
        values = [row[one["name"]] for row in rows]
        if one["datatype"] == "BYTES":
            array = np.array(["" if value is None else value for value in values], dtype=np.object_)
        else:
            nothing = float("nan")
            array = np.array(
                [nothing if value is None else value for value in values], NUMPY[one["datatype"]]
            )
        tensor = triton.InferInput(one["name"], [len(rows)], one["datatype"])
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def test_a_client_finds_the_server_and_its_model(
    client: triton.InferenceServerClient, champion: Release, contract: Contract
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.is_model_ready("flights")
    assert client.is_model_ready("flights", champion.id)
    assert client.is_model_ready("flights", "1")
    assert not client.is_model_ready("flights", "2")
    assert not client.is_model_ready("support")
    model = client.get_model_metadata("flights", champion.id)
    assert (model["name"], model["versions"]) == ("flights", [champion.id])
    assert [one["name"] for one in model["inputs"]] == [column.name for column in contract.request_columns]
    assert {one["name"]: one["datatype"] for one in model["outputs"]}["score"] == "FP64"


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("count", [1, 150])
def test_a_client_is_answered_as_by_predict(
    client: triton.InferenceServerClient,
    served: Served,
    rows: list[dict[str, Any]],
    count: int,
    *,
    binary: bool,
) -> None:
    if not binary:
        rows = [
            row for row in rows if None not in row.values()
        ]  # JSON's NaN is the client's own way, and no JSON
    chosen = rows[:count]
    wanted = httpx.post(f"{served.url}/predict", json={"rows": chosen}).json()["predictions"]
    result = client.infer("flights", inputs(client, chosen, binary=binary), request_id="7")
    assert result.get_response()["id"] == "7"
    assert np.array_equal(
        result.as_numpy("score"), np.array([one["score"] for one in wanted], float), equal_nan=True
    )
    assert [text.decode() for text in result.as_numpy("release")] == [one["release"] for one in wanted]
    assert result.as_numpy("decision").tolist() == [
        -1 if one["decision"] is None else int(one["decision"]) for one in wanted
    ]
    identity = result.as_numpy("prediction_id")[0].decode()
    found = httpx.get(f"{served.url}/predictions/{identity}").json()
    assert found["key"] == chosen[0]["flight_id"]
    assert found["score"] == wanted[0]["score"]


def test_a_client_asks_for_some_outputs(
    client: triton.InferenceServerClient, rows: list[dict[str, Any]]
) -> None:
    asked = [
        triton.InferRequestedOutput("score", binary_data=True),
        triton.InferRequestedOutput("cohort", binary_data=False),
    ]
    result = client.infer("flights", inputs(client, rows[:3]), outputs=asked)
    assert [one["name"] for one in result.get_response()["outputs"]] == ["score", "cohort"]
    assert result.as_numpy("score").shape == (3,)
    assert result.as_numpy("cohort").tolist() == ["champion"] * 3


def test_a_client_understands_what_is_wrong(
    client: triton.InferenceServerClient, rows: list[dict[str, Any]]
) -> None:
    with pytest.raises(InferenceServerException, match="row 1, origin") as found:
        client.infer("flights", inputs(client, [rows[0], rows[1] | {"origin": "SFO"}]))
    assert found.value.status() == "422"
    with pytest.raises(InferenceServerException, match="not live"):
        client.infer("flights", inputs(client, rows[:1]), model_version="0")
