"""A CSV or Parquet file as it is: how to read it, what each column holds, and the name the contract gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from tremplin.errors import TremplinError
from tremplin.scaffolding import numerals, times
from tremplin.scaffolding.csv_text import read_csv
from tremplin.scaffolding.naming import contract_names, plain
from tremplin.scaffolding.personal import Suspicion, suspicion

Kind = Literal["text", "integer", "number", "boolean", "time"]
TYPES: dict[Kind, str] = {"text": "str", "integer": "Int64", "number": "float64", "boolean": "boolean"}
"""What pandas keeps each kind in; a time is parsed apart."""

WORDS: dict[Kind, str] = {
    "text": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "time": "timestamp",
}
"""What the contract, and ``read_files``, call each kind."""

FLOAT32 = 3.4e38  # beyond it a model, which sees float32, has no number
NAMELESS = "Unnamed: "  # so pandas calls a column that the header does not name
EXACT = 2**53  # beyond it a float no longer tells two neighbouring whole numbers apart


@dataclass(frozen=True)
class Reading:
    """How a file is read."""

    path: Path
    separator: str | None = None  # None: Parquet
    decimal: str = "."
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ("",)  # what stands for a missing value in CSV
    surplus: bool = False  # rows of CSV have empty fields behind those of the header


@dataclass(frozen=True)
class Column:
    """A column as the file has it."""

    original: str
    name: str  # in the contract
    kind: Kind
    form: str | None = None  # of a time that is written as text, for `pandas.to_datetime`
    zoned: bool = True  # of a time: the file says its zone
    ambiguous: bool = False  # of a time: day and month could be the other way round
    signs: str = ""  # of a number that is written as text: characters that are no part of it, such as what parts thousands
    doubt: str | None = None  # of a text: why it may be meant as something else


@dataclass(frozen=True)
class Table:
    """The file's rows, text as it stands there, and what its columns are."""

    reading: Reading
    raw: pd.DataFrame  # columns by their name in the contract
    columns: list[Column]
    left_out: dict[str, str]  # original name: why no pilot can use the column
    suspected: dict[str, Suspicion]  # by contract name: what it seems to say about a person
    twice: frozenset[str] = frozenset()  # names that head several columns of the file

    def column(self, name: str) -> Column:
        """By its name in the contract."""
        return next(column for column in self.columns if column.name == name)

    def named(self, name: str) -> Column:
        """By its name in the file or, where no column is called so there, in the contract.

        Raises:
            TremplinError: there is none, or it heads several.
        """
        if name in self.twice:
            raise TremplinError(
                f"{self.reading.path} has several columns {name!r}, so nobody can say which is meant. Rename them in the file."
            )
        if name in self.left_out:
            raise TremplinError(f"The column {name!r} cannot be used: {self.left_out[name]}.")
        found = [column for column in self.columns if name in (column.original, column.name)]
        if not found:
            known = ", ".join(column.original for column in self.columns)
            raise TremplinError(f"{self.reading.path} has no column {name!r}. It has: {known}.")
        return next((column for column in found if column.original == name), found[0])


def read(path: Path, target: str | None = None) -> Table:
    """Read a file and find what its columns are. The ``target`` is suspected of nothing: it is no feature, and asked of anyway.

    Raises:
        TremplinError: there is none, it cannot be read, or it holds no row.
    """
    if not path.is_file():
        raise TremplinError(f"{path} is no file. Give `--from` a CSV or Parquet file.")
    twice: frozenset[str] = frozenset()
    try:
        if _is_parquet(path):
            reading, raw = _parquet(path)
            said = _descriptions(path)
        else:
            reading, raw, twice = _csv(path)
            said = {}
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TremplinError(f"{path} cannot be read as CSV or Parquet: {reason}") from error
    if raw.empty:
        raise TremplinError(f"{path} holds no row: there is nothing to make a pilot from.")
    names = contract_names([str(name) for name in raw.columns])
    asked_of = "original" if target in raw.columns else "name"
    columns, left_out, suspected = [], {}, {}
    for original, name in zip(raw.columns, names, strict=True):
        found = _column(str(original), name, raw[original], reading)
        if not isinstance(found, Column):
            left_out[str(original)] = found
            continue
        described = plain(said.get(str(original), ""))
        seems = suspicion(name, raw[original], time=found.kind == "time", description=described)
        if seems is not None and target != getattr(found, asked_of):
            suspected[name] = seems
            found = replace(found, doubt=None)  # it would show values
            if found.kind in ("integer", "number"):
                found = replace(
                    found, kind="text"
                )  # a range would show those at its ends; a code has no bands
        columns.append(found)
    return Table(reading, raw.set_axis(names, axis="columns"), columns, left_out, suspected, twice)


def _descriptions(path: Path) -> dict[str, str]:
    """What a Parquet file says of its columns, where its writer did: metadata of a field that is called so."""
    import pyarrow.parquet as pq

    return {
        field.name: " ".join(
            value.decode("utf-8", "replace")
            for key, value in (field.metadata or {}).items()
            if key.lower() in (b"description", b"comment", b"label")
        )
        for field in pq.read_schema(path)
    }


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet(path: Path) -> tuple[Reading, pd.DataFrame]:
    import pyarrow.parquet as pq

    rows = pq.read_table(path)
    names = rows.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"it has the column {', '.join(twice)} twice")
    return Reading(path), rows.to_pandas(ignore_metadata=True)


def _csv(path: Path) -> tuple[Reading, pd.DataFrame, frozenset[str]]:
    found = read_csv(path)
    different = [_different(found.raw[name]) for name in found.raw]
    decimal = numerals.decimal_sign([values for values in different if len(values)], found.separator)
    reading = Reading(path, found.separator, decimal, found.encoding, found.missing, found.surplus)
    return reading, found.raw, found.twice


def _different(values: pd.Series) -> pd.Series:
    return pd.Series(values.dropna().unique(), dtype="str")


def _column(original: str, name: str, values: pd.Series, reading: Reading) -> Column | str:
    """What a column holds; or, in words, why nothing can be made of it."""
    present = values.dropna()
    if present.empty:
        return "it is empty"
    kind = values.dtype
    if isinstance(kind, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(kind):
        return Column(original, name, "time", zoned=isinstance(kind, pd.DatetimeTZDtype))
    if pd.api.types.is_bool_dtype(kind):
        return Column(original, name, "boolean")
    if pd.api.types.is_integer_dtype(kind):
        return Column(original, name, "integer" if int(present.abs().max()) < EXACT else "text")
    if pd.api.types.is_float_dtype(kind):
        if float(present.abs().max()) > FLOAT32:
            return "it holds numbers that are infinite or too large for a model"
        whole = len(present) < len(values) and bool((present % 1 == 0).all())  # integers, were none missing
        return Column(original, name, "integer" if whole else "number")
    if isinstance(kind, pd.CategoricalDtype):
        present = present.astype("str")
    content = pd.api.types.infer_dtype(present)
    if content == "date":
        return Column(original, name, "time", zoned=False)
    if content in ("boolean", "decimal"):
        return Column(original, name, "boolean" if content == "boolean" else "number")
    if content != "string":
        return f"it holds values of the kind {content!r}"
    return _of_text(original, name, _different(present), reading)


def _of_text(original: str, name: str, different: pd.Series, reading: Reading) -> Column:
    """What text stands for. In Parquet digits that are text are meant to be; a time may still be hidden."""
    typed = reading.separator is None
    if not typed:
        if (number := _number(original, name, different, reading.decimal)) is not None:
            return number
        if different.str.lower().isin(["true", "false"]).all():
            return Column(original, name, "boolean")
    if forms := times.forms(different):
        zoned = times.zoned(different, forms[0])
        return Column(original, name, "time", form=forms[0], zoned=zoned, ambiguous=len(forms) > 1)
    return Column(original, name, "text", doubt=None if typed else numerals.doubt(different))


def _number(original: str, name: str, different: pd.Series, decimal: str) -> Column | None:
    """A column of numbers that a model can hold; None: it is no such column."""
    signs = numerals.signs(different, decimal)
    if signs is None:
        return None
    plain = numerals.plain(different, signs, decimal)
    if plain.str.fullmatch(numerals.WHOLE).all():
        return Column(original, name, "integer", signs=signs)
    if float(plain.astype("float64").abs().max()) > FLOAT32:
        return None
    return Column(original, name, "number", signs=signs)
