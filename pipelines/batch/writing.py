"""Answers as a Parquet or CSV file, which is there whole or not at all."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tremplin.draft import draft_of

LIST = pa.list_(pa.string())
BETWEEN = ";"  # of the entries of a list, in a cell of CSV


def write_rows(path: Path, columns: dict[str, pa.DataType], parts: Iterable[Sequence[dict[str, Any]]]) -> int:
    """Write rows part by part; how many there were.

    Args:
        columns: the names, in their order, with the types that Parquet gets.
    """
    draft = draft_of(path)
    written = (_write_csv if path.suffix.lower() == ".csv" else _write_parquet)(draft, columns, parts)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    return written


def _write_parquet(
    path: Path, columns: dict[str, pa.DataType], parts: Iterable[Sequence[dict[str, Any]]]
) -> int:
    schema, written = pa.schema(list(columns.items())), 0
    with parquet.ParquetWriter(path, schema) as file:
        for rows in parts:
            file.write_table(pa.Table.from_pylist([{n: row.get(n) for n in columns} for row in rows], schema))
            written += len(rows)
    return written


def _write_csv(path: Path, columns: dict[str, pa.DataType], parts: Iterable[Sequence[dict[str, Any]]]) -> int:
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)
        for rows in parts:
            lines.writerows([_cell(row.get(name)) for name in columns] for row in rows)
            written += len(rows)
    return written


def _cell(value: Any) -> Any:
    """A missing value is nothing, a list its entries, the rest as JSON has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return BETWEEN.join(value) if isinstance(value, list) else value
