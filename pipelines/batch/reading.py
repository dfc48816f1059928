"""Rows of a Parquet or CSV file, a chunk at a time, as callers of the server would write them in JSON."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tremplin.column import Column
from tremplin.contract import Contract
from tremplin.errors import TremplinError

CHUNK = 5000  # rows; the server's own limit of one call
LONGEST_CELL = 1 << 20  # characters
WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
INDEX = re.compile(r"__index_level_\d+__")  # pandas' own numbers of rows, which it keeps where they have gaps
TRUTH = {"true": True, "false": False}

Row = dict[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file."""

    number: int  # of the chunk, from 0
    first: int  # number of its first row in the file, from 1; a header is none
    rows: list[Row]  # the contract's columns; what the file leaves out is left out


def read_chunks(path: Path, contract: Contract) -> Iterator[Chunk]:
    """The rows, ``CHUNK`` at a time; no more than that are in memory.

    Target and label time may be in the file, and are not read.

    Raises:
        TremplinError: the file is neither Parquet nor CSV, is damaged, or its columns are not those of the contract.
    """
    kinds = {".parquet": _parquet_rows, ".csv": _csv_rows}
    read = kinds.get(path.suffix.lower())
    if read is None:
        raise TremplinError(f"{path} is neither .parquet nor .csv: name it for what it is, or convert it.")
    try:
        rows = read(path, contract)
        for number in count():
            chosen = list(islice(rows, CHUNK))
            if not chosen:
                return
            yield Chunk(number, number * CHUNK + 1, chosen)
    except (OSError, pa.ArrowException) as error:
        raise TremplinError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    except UnicodeDecodeError as error:
        raise TremplinError(
            f"{path} is not written in UTF-8: {error.reason} at byte {error.start:,}. Convert it."
        ) from error


def _fitting(path: Path, names: list[str], contract: Contract) -> list[Column]:
    """The columns that are read.

    Raises:
        TremplinError: one is missing, unknown or there twice.
    """
    asked = {column.name: column for column in contract.request_columns}
    known = asked.keys() | {column.name for column in contract.columns}
    missing = [name for name, column in asked.items() if name not in names and not column.nullable]
    unknown = [name for name in names if name not in known]
    faults = [f"it lacks {', '.join(missing)}"] if missing else []
    if unknown:
        faults.append(f"the contract has no {', '.join(map(repr, unknown[:10]))}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"it has {', '.join(twice)} twice")
    if faults:
        raise TremplinError(
            f"The columns of {path} are not those of the contract: {'; '.join(faults)}. Expected: {', '.join(asked)}."
        )
    return [asked[name] for name in names if name in asked]


def _parquet_rows(path: Path, contract: Contract) -> Iterator[Row]:
    with parquet.ParquetFile(path) as file:
        columns = _fitting(path, [n for n in file.schema_arrow.names if not INDEX.fullmatch(n)], contract)
        names = [column.name for column in columns]
        whole = [column.name for column in columns if column.logicalType == "integer"]
        for batch in file.iter_batches(CHUNK, columns=names):
            rows: list[Row] = (
                pa.Table.from_batches([batch]).cast(_plain(batch.schema), safe=False).to_pylist()
            )
            for row in rows:
                for name in whole:  # a column of whole numbers with a gap is often kept as floats
                    value = row[name]
                    if isinstance(value, float) and value.is_integer():
                        row[name] = int(value)
            yield from rows


def _plain(schema: pa.Schema) -> pa.Schema:
    """Times in microseconds, which is what Python's have."""
    return pa.schema(
        [f.with_type(pa.timestamp("us", f.type.tz)) if pa.types.is_timestamp(f.type) else f for f in schema]
    )


def _csv_rows(path: Path, contract: Contract) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            names = next(lines, [])
            columns = {column.name: column for column in _fitting(path, names, contract)}
            places = [
                (place, name, _reader(columns[name])) for place, name in enumerate(names) if name in columns
            ]
            for cells in lines:
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise TremplinError(
                        f"{path}, line {lines.line_num}: {len(cells)} cells, and the header has {len(names)}. Mend the line."
                    )
                yield {name: read(cells[place]) for place, name, read in places}
        except csv.Error as error:
            raise TremplinError(f"{path}, line {lines.line_num}: {error}. Mend the line.") from error


def _reader(column: Column) -> Callable[[str], Any]:
    """How a cell is read. Nothing is a missing value; what is not written as the column's type stays text, to be refused."""
    if column.logicalType == "integer":
        return lambda cell: int(cell.partition(".")[0]) if WHOLE.fullmatch(cell) else cell or None
    if column.logicalType == "number":
        return lambda cell: float(cell) if NUMBER.fullmatch(cell) else cell or None
    if column.logicalType == "boolean":
        return lambda cell: TRUTH.get(cell.lower(), cell or None)
    return lambda cell: cell or None
