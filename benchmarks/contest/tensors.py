"""Rows as a stock client of the Open Inference Protocol sends them with its binary tensor extension, and its answers read."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest.contestant import Row

HEADER = "Inference-Header-Content-Length"
PADDED = 8192  # bytes of JSON before the tensors, spaces at the end, so that one header fits all requests
KINDS = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "BOOL": "?"}


def body(metadata: dict[str, Any], rows: Sequence[Row]) -> bytes:
    """A request with a tensor for each input that the model's ``metadata`` names."""
    inputs, tensors = [], []
    for one in metadata["inputs"]:
        content = tensor(one["datatype"], [row[one["name"]] for row in rows])
        shape = [len(rows), 1][: len(one["shape"])]
        told = {"name": one["name"], "shape": shape, "datatype": one["datatype"]}
        inputs.append(told | {"parameters": {"binary_data_size": len(content)}})
        tensors.append(content)
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    assert len(head) <= PADDED
    return head.ljust(PADDED) + b"".join(tensors)


def tensor(datatype: str, values: list[Any]) -> bytes:
    """The bytes; what is missing is NaN, or no text."""
    if datatype == "BYTES":
        texts = [("" if value is None else str(value)).encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array([np.nan if value is None else value for value in values], dtype=KINDS[datatype]).tobytes()


def output(content: bytes, length: int, name: str) -> NDArray[Any]:
    """One output of a binary answer whose JSON is so long."""
    place = length
    for one in json.loads(content[:length])["outputs"]:
        size = one["parameters"]["binary_data_size"]
        if one["name"] == name:
            return np.frombuffer(content[place : place + size], dtype=KINDS[one["datatype"]])
        place += size
    raise KeyError(name)
