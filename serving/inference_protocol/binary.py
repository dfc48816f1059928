"""Tensors as bytes: little-endian, row by row, without padding; of BYTES each element after its length in four bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.problems import Problem

# By the protocol's datatype, BYTES apart.
NUMBERS: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("u1"),
    "UINT8": np.dtype("u1"), "UINT16": np.dtype("<u2"), "UINT32": np.dtype("<u4"), "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"), "INT16": np.dtype("<i2"), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"), "FP32": np.dtype("<f4"), "FP64": np.dtype("<f8"),
}  # fmt: skip
LENGTH = struct.Struct("<I")


def malformed(detail: str) -> Problem:
    """400: the request is none of the protocol's."""
    return Problem(400, "Not a request of the protocol", detail)


def numbers(name: str, datatype: str, raw: memoryview, count: int) -> NDArray[Any]:
    """The elements of a tensor of numbers, of shape (count,).

    Raises:
        Problem: 400, ``raw`` has another length, or a BOOL is neither 0 nor 1.
    """
    kind = NUMBERS[datatype]
    if len(raw) != count * kind.itemsize:
        wanted = f"{count:,} of {datatype} are {count * kind.itemsize:,} bytes"
        raise malformed(f"Input {name}: {wanted}; its binary_data_size is {len(raw):,}.")
    found = np.frombuffer(raw, kind)
    if datatype == "BOOL":
        if found.max(initial=0) > 1:
            raise malformed(f"Input {name}: an element of BOOL is the byte 0 or 1; got {found.max()}.")
        return found.astype(np.bool_)
    return found


def texts(name: str, raw: memoryview, count: int) -> list[str]:
    """The elements of a tensor of BYTES, as the UTF-8 that they are.

    Raises:
        Problem: 400, the lengths do not fit ``raw`` or ``count``, or an element is no UTF-8.
    """
    content = bytes(raw)
    found = _of_one_length(content, count) or _of_any_length(name, content, count)
    try:
        said = {element: element.decode() for element in set(found)}  # most columns repeat few values
        return [said[element] for element in found]
    except UnicodeDecodeError as error:
        raise malformed(f"Input {name}: an element is no UTF-8 ({error.reason}).") from None


def _of_one_length(content: bytes, count: int) -> list[bytes] | None:
    """The elements where all are as long as the first, as those of codes and times are; None where they are not."""
    if len(content) < LENGTH.size:
        return None
    length = LENGTH.unpack_from(content)[0]
    step = LENGTH.size + length
    if len(content) != count * step:
        return None
    lengths = np.ndarray(count, "<u4", content, strides=(step,))
    if not bool((lengths == length).all()):
        return None
    return (
        [content[start : start + length] for start in range(LENGTH.size, len(content), step)]
        if length
        else [b""] * count
    )


def _of_any_length(name: str, content: bytes, count: int) -> list[bytes]:
    found, start = [], 0
    unpack, size = LENGTH.unpack_from, len(content)
    for index in range(count):
        begin = start + LENGTH.size
        if begin > size:
            raise malformed(f"Input {name}: its bytes end before element {index} of {count:,}.")
        start = begin + unpack(content, start)[0]
        if start > size:
            raise malformed(
                f"Input {name}: element {index} says it is {start - begin:,} bytes long; {size - begin:,} follow."
            )
        found.append(content[begin:start])
    if start != size:
        raise malformed(f"Input {name}: {size - start:,} bytes follow its {count:,} elements.")
    return found


def as_bytes(datatype: str, values: Sequence[Any]) -> bytes:
    """The other way, for an output."""
    if datatype != "BYTES":
        return np.asarray(values, NUMBERS[datatype]).tobytes()
    encoded = {value: value.encode() for value in set(values)}
    framed = {value: LENGTH.pack(len(element)) + element for value, element in encoded.items()}
    return b"".join([framed[value] for value in values])
