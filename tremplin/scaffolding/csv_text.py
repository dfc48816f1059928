"""A CSV file as text: its encoding, what separates its fields, and that every row has the fields of the header."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

MISSING = frozenset({"NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"})
"""Words that stand for nothing, if they are there."""

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class CsvText:
    """How a CSV file is read, and its fields as they stand there."""

    separator: str
    encoding: str
    missing: tuple[str, ...]  # what stands for a missing value
    surplus: bool  # some rows have empty fields behind those of the header
    twice: frozenset[str]  # names that head several columns
    raw: pd.DataFrame  # text; rows without any value are left out


def read_csv(path: Path) -> CsvText:
    """The whole file.

    Raises:
        ValueError: it is no text, or a row does not have the fields of the header, so that nobody can say which is which.
    """
    begins = path.read_bytes()[:3]
    encoding = next((named for mark, named in MARKS.items() if begins.startswith(mark)), "utf-8")
    try:
        text = path.read_text(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"  # what spreadsheets of Western Europe write
        text = path.read_text(encoding)
    if "\0" in text[:4096]:
        raise ValueError("it holds bytes that no text has")
    separator = max(SEPARATORS, key=lambda sign: len(next(_records(text, sign), (0, []))[1]))
    header, surplus = _shape(text, separator)
    raw = pd.read_csv(
        path, sep=separator, encoding=encoding, dtype="str", keep_default_na=False, na_values=[""],
        skipinitialspace=True, index_col=False, usecols=range(len(header)),
    )  # fmt: skip
    missing = sorted(MISSING & {word for name in raw for word in raw[name].unique()})
    raw = raw.mask(raw.isin(missing)) if missing else raw
    raw = raw.dropna(how="all", ignore_index=True)
    twice = frozenset(name for name in header if name and header.count(name) > 1)
    return CsvText(separator, encoding, ("", *missing), surplus, twice, raw)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with its first line's number."""
    records = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    line = 1
    try:
        for fields in records:
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield line, fields
            line = records.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {line}: {error}") from None


def _shape(text: str, separator: str) -> tuple[list[str], bool]:
    """The header, and whether rows have more fields than it, all of them empty.

    A column that the header does not name at its end may be missing in a row; no other may, for the fields of a row that is
    cut, or goes on in the next line, stand in wrong columns.
    """
    records = _records(text, separator)
    _, header = next(records, (0, []))
    width = len(header)
    named = max((place for place, name in enumerate(header, 1) if name.strip()), default=0)
    first, longer, rows, surplus = None, 0, 0, False
    for line, fields in records:
        rows += 1
        if named <= len(fields) <= width:
            continue
        if len(fields) > width and not any(field.strip() for field in fields[width:]):
            surplus = True
            continue
        first = first or (line, len(fields))
        longer += len(fields) == width + 1
    if first is None:
        return header, surplus
    what = (
        "Every row has one field more, as R writes the names of its rows: write it with row.names=FALSE, or name that column "
        "in the header"
        if longer == rows
        else f"A text with {separator!r} or a line end in it needs quotes, and lines that are no rows have to go"
    )
    raise ValueError(
        f"line {first[0]} has {first[1]} fields and the header {width}, so nobody can say which value is of which column. "
        f"{what}."
    )
