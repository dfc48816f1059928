"""A request of the protocol, read from its bytes: the tensors, and what is asked of the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

from numpy.typing import NDArray
from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from serving.inference_protocol.binary import NUMBERS, malformed, numbers, texts
from serving.request_body import MAX_FAULTS, shown
from serving.request_model import MAX_ROWS
from tremplin.column import INT64

MOST = 1000  # inputs or outputs of a request
Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]  # fmt: skip
Scalar = (
    Annotated[str, Field(strict=True)]
    | Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True)]
    | None
)
Single = Annotated[list[Scalar], Field(min_length=1, max_length=1)]
NAMED = ConfigDict(extra="forbid", allow_inf_nan=False)


class InputParameters(TypedDict):
    """Others are not looked at."""

    binary_data_size: NotRequired[Annotated[int, Field(strict=True, ge=0, le=INT64)]]
    shared_memory_region: NotRequired[str]


class OutputParameters(TypedDict):
    """Others are not looked at."""

    binary_data: NotRequired[Annotated[bool, Field(strict=True)]]
    classification: NotRequired[int]
    shared_memory_region: NotRequired[str]


class RequestParameters(TypedDict):
    """Others are not looked at."""

    binary_data_output: NotRequired[Annotated[bool, Field(strict=True)]]


@with_config(NAMED)
class RequestInput(TypedDict):
    """A tensor that is sent."""

    name: Annotated[str, Field(strict=True)]
    shape: Annotated[
        list[Annotated[int, Field(strict=True, ge=0, le=INT64)]], Field(min_length=1, max_length=2)
    ]
    datatype: Datatype
    parameters: NotRequired[InputParameters]
    data: NotRequired[Annotated[list[Scalar | Single], FailFast(), Field(max_length=MAX_ROWS)]]


@with_config(NAMED)
class RequestOutput(TypedDict):
    """An output that is asked for."""

    name: Annotated[str, Field(strict=True)]
    parameters: NotRequired[OutputParameters]


@with_config(NAMED)
class InferenceRequest(TypedDict):
    """The JSON of a request."""

    id: NotRequired[Annotated[str, Field(strict=True, max_length=1000)]]
    parameters: NotRequired[RequestParameters]
    inputs: Annotated[list[RequestInput], FailFast(), Field(min_length=1, max_length=MOST)]
    outputs: NotRequired[Annotated[list[RequestOutput], FailFast(), Field(max_length=MOST)]]


READER = TypeAdapter(InferenceRequest)


@dataclass(frozen=True)
class Tensor:
    """An input of shape (n,): an array, or a list of texts, or of whatever JSON holds."""

    datatype: str
    values: NDArray[Any] | list[Any]


@dataclass(frozen=True)
class Request:
    """What was asked."""

    id: str | None
    rows: int
    tensors: dict[str, Tensor]
    binary: bool  # all of the tensors are
    outputs: dict[str, bool] | None  # by name, whether it is wanted in binary; None: all of them
    binary_outputs: bool  # where an output does not say


def read_request(body: bytes, header_length: str | None) -> Request:
    """Read a body.

    Args:
        header_length: of ``Inference-Header-Content-Length``: the bytes of the JSON that the binary tensors follow.

    Raises:
        Problem: 400, it is not one of the protocol's; its sizes are compared before anything is made of them.
    """
    size = _json_size(header_length, len(body))
    try:
        asked = READER.validate_json(memoryview(body)[:size].tobytes() if size < len(body) else body)
    except ValidationError as error:
        raise malformed(_said(error)) from None
    names = [one["name"] for one in asked["inputs"]]
    _once(names, "input")
    rows = {_rows(one) for one in asked["inputs"]}
    if len(rows) > 1:
        raise malformed(f"The inputs are of {len(rows)} lengths; all have one element a row.")
    count = rows.pop()
    if not 1 <= count <= MAX_ROWS:
        raise malformed(f"A request has 1 to {MAX_ROWS:,} rows; got {count:,}.")
    tensors = _tensors(asked["inputs"], count, memoryview(body)[size:])
    binary = bool(asked.get("parameters", {}).get("binary_data_output", False))
    return Request(
        asked.get("id"),
        count,
        tensors,
        all("data" not in one for one in asked["inputs"]),
        _outputs(asked.get("outputs"), binary),
        binary,
    )


def _json_size(header_length: str | None, size: int) -> int:
    if header_length is None:
        return size
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 20):
        raise malformed(f"Inference-Header-Content-Length is a number of bytes; got {shown(header_length)}.")
    if not 0 < int(header_length) <= size:
        raise malformed(f"Inference-Header-Content-Length is {header_length}; the body has {size:,} bytes.")
    return int(header_length)


def _rows(one: RequestInput) -> int:
    shape = one["shape"]
    if shape[1:] not in ([], [1]):
        raise malformed(f"Input {one['name']}: its shape is [n] or [n, 1]; got {shape}.")
    return shape[0]


def _tensors(inputs: list[RequestInput], count: int, rest: memoryview) -> dict[str, Tensor]:
    tensors, start = {}, 0
    for one in inputs:
        name, datatype, parameters = one["name"], one["datatype"], one.get("parameters", {})
        size = parameters.get("binary_data_size")
        if "shared_memory_region" in parameters:
            raise malformed(f"Input {name}: shared memory is not supported; send the data.")
        if (size is None) == ("data" not in one):
            raise malformed(f"Input {name}: it has either data or the parameter binary_data_size.")
        if size is None:
            tensors[name] = Tensor(datatype, _of_json(name, datatype, one["data"], count))
            continue
        if size > len(rest) - start:
            raise malformed(
                f"Input {name}: its binary_data_size is {size:,}; {len(rest) - start:,} bytes are left."
            )
        raw, start = rest[start : start + size], start + size
        read: NDArray[Any] | list[Any] = (
            texts(name, raw, count) if datatype == "BYTES" else numbers(name, datatype, raw, count)
        )
        tensors[name] = Tensor(datatype, read)
    if start != len(rest):
        raise malformed(f"{len(rest) - start:,} bytes follow the last binary tensor.")
    return tensors


def _of_json(name: str, datatype: str, data: list[Any], count: int) -> list[Any]:
    """The elements, each of its datatype or null."""
    if len(data) != count:
        raise malformed(f"Input {name}: its shape says {count:,} elements; its data has {len(data):,}.")
    flat = [element[0] if isinstance(element, list) else element for element in data]
    for index, value in enumerate(flat):
        if value is not None and not _is(datatype, value):
            raise malformed(f"Input {name}: element {index} is {shown(value)}, which is no {datatype}.")
    return flat


def _is(datatype: str, value: str | bool | float) -> bool:
    """Whether a value of JSON is one of a datatype."""
    if datatype in ("BYTES", "BOOL"):
        return isinstance(value, str if datatype == "BYTES" else bool)
    if isinstance(value, str | bool):
        return False
    if datatype.startswith("FP"):
        return True
    bits = NUMBERS[datatype].itemsize * 8
    least, most = (0, 2**bits) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return isinstance(value, int) and least <= value < most


def _outputs(outputs: list[RequestOutput] | None, binary: bool) -> dict[str, bool] | None:
    if not outputs:
        return None
    _once([one["name"] for one in outputs], "output")
    for one in outputs:
        parameters = one.get("parameters", {})
        if unknown := {"classification", "shared_memory_region"} & parameters.keys():
            raise malformed(f"Output {one['name']}: {' and '.join(sorted(unknown))} is not supported.")
    return {one["name"]: one.get("parameters", {}).get("binary_data", binary) for one in outputs}


def _once(names: list[str], what: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise malformed(f"The {what} {shown(twice)} is there twice; send it once.")


def _said(error: ValidationError) -> str:
    """The first faults, with where they are."""
    found = error.errors(include_url=False, include_context=False)[:MAX_FAULTS]
    if found[0]["type"] == "json_invalid":
        return (
            f"The body is not JSON: {found[0]['msg']}. Binary tensors need Inference-Header-Content-Length."
        )
    place = ".".join(str(part) for part in found[0]["loc"] if part not in ("constrained-str", "list"))
    return f"{place or 'The body'}: {found[0]['msg']}; got {shown(found[0]['input'])}."
