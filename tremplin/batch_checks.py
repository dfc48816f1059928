"""Rows against the contract: which columns are not what it says, how many rows, three examples, what to do.

A wrong type is a breach, never coerced away. Differences of storage are none: int64 for a number, whole floats for an
integer that may be missing, any kind of string, ``bool`` or ``boolean``, any resolution of a UTC time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tremplin.breach import Breach, breach_of, undescribed
from tremplin.column import EARLIEST, LATEST
from tremplin.contract import Column, Contract
from tremplin.errors import ContractBreach

if TYPE_CHECKING:
    import pandera.pandas as pa

Scope = Literal["all", "training", "request"]


@dataclass(frozen=True)
class Checked:
    """What a check of rows found; ``accepted`` and ``rejected`` are the rows, untouched, in their order."""

    accepted: pd.DataFrame
    rejected: pd.DataFrame
    breaches: list[Breach]


def check_rows(rows: pd.DataFrame, contract: Contract, *, columns: Scope = "all") -> Checked:
    """Check ``rows`` against every column of the contract, those of the prepared tables (``training``), or those that a
    caller sends (``request``).

    A column missing or too many rejects every row: nobody knows what else the sender changed. All rows that share a key
    are rejected: which of them is true is not ours to choose.
    """
    scopes = {
        "all": contract.columns,
        "training": contract.training_columns,
        "request": contract.request_columns,
    }
    described = {c.name: c for c in scopes[columns]}
    numbered = rows.reset_index(drop=True)  # failures come back by index, which must name one row
    structure = [
        *(
            breach_of(described[name], "column missing", len(rows), [])
            for name in described
            if name not in rows
        ),
        *(undescribed(str(name), len(rows)) for name in rows if name not in described),
    ]
    if structure:
        return Checked(rows.iloc[:0], rows, structure)
    # Types first: what a value of the wrong type is compared with means nothing.
    failed = _failures(
        numbered, {name: [_type_check(column)] for name, column in described.items()}, described
    )
    wrong = set(failed["column"])
    checks = {name: _value_checks(column) for name, column in described.items() if name not in wrong}
    failed = pd.concat([failed, _failures(numbered, checks, described)], ignore_index=True)
    breaches = [
        breach_of(described[str(name)], str(check), len(found), found["failure_case"].tolist())
        for (name, check), found in failed.groupby(["column", "check"], sort=False)
    ]
    bad = np.zeros(len(rows), dtype=bool)
    bad[failed["index"].to_numpy("int64")] = True
    return Checked(rows[~bad], rows[bad], breaches)


def incomplete(rows: pd.DataFrame, contract: Contract) -> list[Breach]:
    """Columns of a whole delivery that are emptier, or fuller, than the contract's ``nullValues`` allow."""
    shares = {c.name: float(rows[c.name].isna().mean()) for c in contract.columns if c.completeness}
    return [
        breach_of(column, "missing values", int(rows[column.name].isna().sum()), [])
        for column in contract.columns
        if column.completeness and not column.completeness.keeps(shares[column.name])
    ]


def require(
    rows: pd.DataFrame, contract: Contract, rejected_path: Path, *, columns: Scope = "all"
) -> pd.DataFrame:
    """The rows, if all of them keep the contract.

    Raises:
        ContractBreach: some do not. Every breach is in the message, and the offending rows are in ``rejected_path``.
    """
    checked = check_rows(rows, contract, columns=columns)
    if not checked.breaches:
        rejected_path.unlink(missing_ok=True)  # what an earlier, mended delivery left there
        return rows
    rejected_path.parent.mkdir(parents=True, exist_ok=True)
    _storable(checked.rejected).to_parquet(rejected_path)
    lines = "\n".join(f"  {breach}" for breach in checked.breaches)
    raise ContractBreach(
        f"{len(checked.rejected):,} of {len(rows):,} rows are not what the contract {contract.name!r} says:\n{lines}\n"
        f"Nothing was taken over. The offending rows were kept aside in {rejected_path}."
    )


def _failures(
    rows: pd.DataFrame, checks: dict[str, list[pa.Check]], described: dict[str, Column]
) -> pd.DataFrame:
    """Columns ``column``, ``check``, ``failure_case``, ``index`` (position of the row), one line a failure."""
    import pandera.pandas as pa

    typed = all(check.name == "type" for of_column in checks.values() for check in of_column)
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(
                None,
                checks=found,
                nullable=typed or not described[name].required,
                unique=not typed and (described[name].unique or described[name].primaryKey),
                report_duplicates="all",
            )
            for name, found in checks.items()
        }
    )
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        found: pd.DataFrame = error.failure_cases[["column", "check", "failure_case", "index"]].copy()
        found["check"] = found["check"].replace(
            {"not_nullable": "missing", "field_uniqueness": "duplicate key"}
        )
        return found
    return pd.DataFrame(columns=["column", "check", "failure_case", "index"])


def _type_check(column: Column) -> pa.Check:
    import pandera.pandas as pa

    return pa.Check(lambda values: _has_type(values, column.logicalType), name="type")


def _has_type(values: pd.Series, wanted: str) -> pd.Series:
    """For each (present) value, whether it is of the contract's type."""
    kind = values.dtype
    numeric = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    if wanted == "timestamp":
        return _all(values, isinstance(kind, pd.DatetimeTZDtype) and str(kind.tz) in ("UTC", "utc"))
    if wanted == "number":
        return _all(values, True) if numeric else _each(values, _is_number)
    if wanted == "integer":
        whole = pd.api.types.is_integer_dtype(kind)
        if whole or not numeric:
            return _all(values, True) if whole else _each(values, lambda v: _is_number(v) and v % 1 == 0)
        return values.mod(1).eq(0)
    if wanted == "boolean":
        return (
            _all(values, True)
            if pd.api.types.is_bool_dtype(kind)
            else _each(values, lambda v: isinstance(v, bool | np.bool_))
        )
    return (
        _all(values, True)
        if isinstance(kind, pd.StringDtype)
        else _each(values, lambda v: isinstance(v, str))
    )


def _value_checks(column: Column) -> list[pa.Check]:
    import pandera.pandas as pa

    checks = []
    if column.logicalType in ("number", "integer"):
        low, high = column.limits
        checks.append(pa.Check(lambda values: _within(values, low, high), name="range"))
    if column.logicalType == "timestamp":
        checks.append(pa.Check(lambda values: values.between(EARLIEST, LATEST), name="range"))
    if column.logicalType == "string":
        if column.lengths != (None, None):
            short, long = (column.lengths[0] or 0), (column.lengths[1] or np.inf)
            checks.append(
                pa.Check(lambda values: _each(values, lambda v: short <= len(v) <= long), name="length")
            )
        if (fits := column.fits_pattern) is not None:
            checks.append(pa.Check(lambda values: _each(values, fits), name="pattern"))
        if column.categories is not None:
            known = frozenset(column.categories)
            checks.append(pa.Check(lambda values: _each(values, known.__contains__), name="category"))
    return checks


def _within(values: pd.Series, low: float, high: float) -> pd.Series:
    """Which values lie between both, included; a whole number may be too large for any type of NumPy."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype("float64").between(low, high)
    return _each(values, lambda v: bool(low <= v <= high))


def _all(values: pd.Series, verdict: bool) -> pd.Series:
    return pd.Series(verdict, index=values.index)


def _each(values: pd.Series, test: Callable[[Any], bool]) -> pd.Series:
    """``test`` of every value, called once for each different text."""
    if isinstance(values.dtype, pd.StringDtype):
        codes, different = pd.factorize(values)
        return pd.Series(np.array([test(v) for v in different], dtype=bool)[codes], index=values.index)
    # Of mixed objects, 1 and True would count as one value.
    return pd.Series([test(v) for v in values], index=values.index, dtype=bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _storable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that parquet can hold as they came: a column of mixed objects becomes their Python spelling."""
    mixed = [
        name
        for name in rows
        if rows[name].dtype == object
        and pd.api.types.infer_dtype(rows[name], skipna=True) not in ("string", "boolean")
    ]
    return rows.assign(**{str(name): rows[name].map(repr) for name in mixed})
