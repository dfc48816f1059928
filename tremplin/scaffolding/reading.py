"""A CSV or Parquet file as it is: how to read it, what each column holds, and the name the contract gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from tremplin.errors import TremplinError
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

MISSING = frozenset({"NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"})
"""Words that stand for nothing, if they are there."""

SEPARATORS = ",;\t|"
TIME_FORMS = [  # those of one file that fit every value are taken in this order
    "ISO8601",
    *(f"{day}{clock}" for day in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y")
      for clock in ("", " %H:%M", " %H:%M:%S")),
]  # fmt: skip
FLOAT32 = 3.4e38  # beyond it a model, which sees float32, has no number
EXACT = 2**53  # beyond it a float no longer tells two neighbouring whole numbers apart


@dataclass(frozen=True)
class Reading:
    """How a file is read."""

    path: Path
    separator: str | None = None  # None: Parquet
    decimal: str = "."
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ("",)  # what stands for a missing value in CSV


@dataclass(frozen=True)
class Column:
    """A column as the file has it."""

    original: str
    name: str  # in the contract
    kind: Kind
    form: str | None = None  # of a time that is written as text, for `pandas.to_datetime`
    zoned: bool = True  # of a time: the file says its zone
    ambiguous: bool = False  # of a time: day and month could be the other way round


@dataclass(frozen=True)
class Table:
    """The file's rows, text as it stands there, and what its columns are."""

    reading: Reading
    raw: pd.DataFrame  # columns by their name in the contract
    columns: list[Column]
    left_out: dict[str, str]  # original name: why no pilot can use the column
    suspected: dict[str, Suspicion]  # by contract name: what it seems to say about a person

    def column(self, name: str) -> Column:
        """By its name in the contract, or in the file.

        Raises:
            TremplinError: there is none.
        """
        for column in self.columns:
            if name in (column.name, column.original):
                return column
        if name in self.left_out:
            raise TremplinError(f"The column {name!r} cannot be used: {self.left_out[name]}.")
        known = ", ".join(column.original for column in self.columns)
        raise TremplinError(f"{self.reading.path} has no column {name!r}. It has: {known}.")


def read(path: Path, target: str | None = None) -> Table:
    """Read a file and find what its columns are. The ``target`` is suspected of nothing: it is no feature, and asked of anyway.

    Raises:
        TremplinError: there is none, it cannot be read, or it holds no row.
    """
    if not path.is_file():
        raise TremplinError(f"{path} is no file. Give `--from` a CSV or Parquet file.")
    try:
        reading, raw = _parquet(path) if _is_parquet(path) else _csv(path)
        said = _descriptions(path) if reading.separator is None else {}
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TremplinError(f"{path} cannot be read as CSV or Parquet: {reason}") from error
    if raw.empty:
        raise TremplinError(f"{path} holds no row: there is nothing to make a pilot from.")
    names = contract_names([str(name) for name in raw.columns])
    columns, left_out, suspected = [], {}, {}
    for original, name in zip(raw.columns, names, strict=True):
        found = _column(str(original), name, raw[original], typed=reading.separator is None)
        if not isinstance(found, Column):
            left_out[str(original)] = found
            continue
        described = plain(said.get(str(original), ""))
        seems = suspicion(name, raw[original], time=found.kind == "time", description=described)
        if seems is not None and target not in (original, name):
            suspected[name] = seems
            if found.kind in ("integer", "number"):
                found = replace(
                    found, kind="text"
                )  # a range would show those at its ends; a code has no bands
        columns.append(found)
    return Table(reading, raw.set_axis(names, axis="columns"), columns, left_out, suspected)


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

    return Reading(path), pq.read_table(path).to_pandas(ignore_metadata=True)


def _csv(path: Path) -> tuple[Reading, pd.DataFrame]:
    encoding = "utf-8-sig" if path.read_bytes()[:3] == b"\xef\xbb\xbf" else "utf-8"
    try:
        text = path.read_text(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"  # what spreadsheets of Western Europe write
        text = path.read_text(encoding)
    if "\0" in text[:4096]:
        raise ValueError("it holds bytes that no text has")
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    raw = pd.read_csv(
        path, sep=separator, encoding=encoding, dtype="str", keep_default_na=False, na_values=[""],
        skipinitialspace=True, index_col=False,
    )  # fmt: skip
    missing = sorted(MISSING & {word for name in raw for word in raw[name].unique()})
    raw = raw.mask(raw.isin(missing)) if missing else raw
    comma = separator != "," and _any_matches(raw, r"-?\d+,\d+") and not _any_matches(raw, r"-?\d+\.\d+")
    return Reading(path, separator, "," if comma else ".", encoding, ("", *missing)), raw


def _any_matches(raw: pd.DataFrame, form: str) -> bool:
    """Whether some column holds nothing but values of a form, or whole numbers beside them."""
    for name in raw:
        values = raw[name].dropna().drop_duplicates()
        if values.str.fullmatch(form).any() and values.str.fullmatch(f"{form}|-?\\d+").all():
            return True
    return False


def _column(original: str, name: str, values: pd.Series, *, typed: bool) -> Column | str:
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
    return _of_text(original, name, pd.Series(present.unique(), dtype="str"), typed=typed)


def _of_text(original: str, name: str, different: pd.Series, *, typed: bool) -> Column:
    """What text stands for. In Parquet (``typed``) digits that are text are meant to be; a time may still be hidden."""
    if not typed:
        if different.str.fullmatch(r"0|-?[1-9]\d{0,14}").all():
            return Column(original, name, "integer")
        number = r"[+-]?(0|[1-9]\d*)?([.,]\d+)?([eE][+-]?\d+)?"  # no leading zero: those are codes
        if different.str.fullmatch(number).all() and different.str.contains(r"\d").all():
            return Column(original, name, "number")
        if different.str.lower().isin(["true", "false"]).all():
            return Column(original, name, "boolean")
    if different.str.len().between(8, 35).all() and different.str.contains(r"\d").all():
        fitting = [form for form in TIME_FORMS if _parses(different, form)]
        if fitting:
            zoned = bool(different.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all()) and fitting[0] == "ISO8601"
            return Column(original, name, "time", form=fitting[0], zoned=zoned, ambiguous=len(fitting) > 1)
    return Column(original, name, "text")


def _parses(different: pd.Series, form: str) -> bool:
    if form == "ISO8601" and not different.str.match(r"\d{4}-?\d{2}-?\d{2}").all():
        return False
    try:
        times = pd.to_datetime(different, format=form, utc=True)
    except (ValueError, OverflowError):
        return False
    return bool(times.dt.year.between(1700, 2199).all())
