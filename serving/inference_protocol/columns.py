"""From tensors to rows that fit the contract.

Columns are judged whole, by NumPy and by pydantic's lists, which is what makes a body of a thousand rows cheap. That only says
that all is well: where it is not, the rows are read as /predict reads them, and its fault is the answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from serving.inference_protocol.binary import NUMBERS, malformed
from serving.inference_protocol.request import Request, Tensor
from serving.releases import Servable
from serving.request_body import read_rows
from serving.request_model import Row
from tremplin.column import Column

FLOATS = tuple(name for name in NUMBERS if name.startswith("FP"))
INTEGERS = tuple(name for name in NUMBERS if "INT" in name)
EXACT = 2**53  # whole numbers beyond it are not all there in FP64


def datatypes(column: Column) -> tuple[str, ...]:
    """What a column may be sent as; the first is what the metadata says.

    A number that may be missing is said in floating point, where NaN says so; a text that may be missing is empty then.
    """
    if column.logicalType == "number":
        return ("FP64", *(name for name in (*FLOATS, *INTEGERS) if name != "FP64"))
    if column.logicalType == "integer":
        first = "FP64" if column.nullable else "INT64"
        return (first, *(name for name in (*INTEGERS, *FLOATS) if name != first))
    if column.logicalType == "boolean":
        return ("FP64", "FP32", "BOOL") if column.nullable else ("BOOL",)
    return ("BYTES",)


class ColumnReader:
    """Reads what callers of one release send."""

    def __init__(self, champion: Servable) -> None:
        self._champion = champion
        self._columns = champion.contract.request_columns
        self._names = [column.name for column in self._columns]
        self._texts = {
            column.name: TypeAdapter[Any](list[column.value_type], config=ConfigDict(allow_inf_nan=False))  # type: ignore[name-defined]
            for column in self._columns
            if datatypes(column) == ("BYTES",)
        }

    def rows(self, request: Request) -> list[Row]:
        """The rows, validated.

        Raises:
            Problem: 400, an input is unknown, missing or of a datatype that its column does not take; 422, a value does not fit.
        """
        self._refuse_strangers(request.tensors)
        if request.binary and (read := self._whole(request)) is not None:
            return [dict(zip(self._names, values, strict=True)) for values in zip(*read, strict=True)]
        columns = [_plain(column, request) for column in self._columns]
        rows = [dict(zip(self._names, values, strict=True)) for values in zip(*columns, strict=True)]
        return read_rows(to_json({"rows": rows}, inf_nan_mode="constants"), self._champion)[0]

    def _refuse_strangers(self, tensors: dict[str, Tensor]) -> None:
        if strange := sorted(tensors.keys() - set(self._names)):
            raise malformed(f"There is no input {strange[0]!r:.100}; there are {', '.join(self._names)}.")
        for column in self._columns:
            tensor = tensors.get(column.name)
            if tensor is None and not column.nullable:
                raise malformed(f"The input {column.name} is missing.")
            if tensor is not None and tensor.datatype not in datatypes(column):
                wanted = " or ".join(datatypes(column))
                raise malformed(f"Input {column.name}: send it as {wanted}; got {tensor.datatype}.")

    def _whole(self, request: Request) -> list[list[Any]] | None:
        """The values of each column; None where one does not fit, for all that can be seen here."""
        found = []
        for column in self._columns:
            tensor = request.tensors.get(column.name)
            if tensor is None:
                found.append([None] * request.rows)
                continue
            if isinstance(tensor.values, np.ndarray):
                values = _numbers(column, tensor.values)
            else:
                values = self._read_texts(column, tensor.values)
            if values is None:
                return None
            found.append(values)
        return found

    def _read_texts(self, column: Column, values: list[Any]) -> list[Any] | None:
        distinct = list(dict.fromkeys(values))  # most columns repeat few values
        given = [value or None for value in distinct] if column.nullable else distinct
        content = to_json(given)
        if rb"\u0000" in content:
            return None
        try:
            read = dict(zip(distinct, self._texts[column.name].validate_json(content), strict=True))
        except ValidationError:
            return None
        return [read[value] for value in values]


def _numbers(column: Column, values: NDArray[Any]) -> list[Any] | None:
    """The values as the contract's type; None where one does not fit."""
    if values.dtype == np.bool_:
        yes: list[Any] = values.tolist()
        return yes
    gone = np.isnan(values) if values.dtype.kind == "f" else None
    missing = gone is not None and bool(gone.any())
    there = values[~gone] if missing and gone is not None else values
    there = (
        there.astype(np.float64) if values.dtype.kind == "f" else there
    )  # FP16 cannot be compared with every bound
    if missing and not column.nullable:
        return None
    least, most = (0, 1) if column.logicalType == "boolean" else column.limits
    if not bool(np.all((there >= least) & (there <= most))):
        return None
    whole = column.logicalType != "number"
    if (
        whole
        and values.dtype.kind == "f"
        and not bool(np.all((there == np.floor(there)) & (np.abs(there) <= EXACT)))
    ):
        return None
    kind: Any = {"number": np.float64, "integer": np.int64, "boolean": np.bool_}[column.logicalType]
    read: list[Any] = there.astype(kind).tolist()
    if missing and gone is not None:
        rest = iter(read)
        return [None if nothing else next(rest) for nothing in gone.tolist()]
    return read


def _plain(column: Column, request: Request) -> list[Any]:
    """The values as JSON says them, whether they fit or not."""
    tensor = request.tensors.get(column.name)
    if tensor is None:
        return [None] * request.rows
    values: list[Any] = tensor.values.tolist() if isinstance(tensor.values, np.ndarray) else tensor.values
    if column.nullable:
        values = [None if value == "" or value != value else value for value in values]  # noqa: PLR0124 - NaN alone differs from itself
    if tensor.datatype in FLOATS and column.logicalType != "number":
        kind: Any = bool if column.logicalType == "boolean" else int
        return [_as(kind, value) for value in values]
    return values


def _as(kind: Any, value: Any) -> Any:
    """A whole number, or yes or no, that floating point said; anything else as it is."""
    whole = isinstance(value, int | float) and abs(value) <= EXACT and value == int(value)
    return kind(value) if whole and (kind is int or value in (0.0, 1.0)) else value
