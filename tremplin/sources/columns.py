"""Declared columns: five words of the contract, and what a value must be to fit them. Types are never guessed.

Every source delivers Arrow; it is cast here, chunk by chunk, and becomes the DataFrame that ``fetch`` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

from tremplin.errors import TremplinError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Word = Literal["string", "number", "integer", "boolean", "timestamp"]
Columns = Mapping[str, Word]

WORDS = ("string", "number", "integer", "boolean", "timestamp")


def require_columns(columns: Columns, timezone: str | None) -> None:
    """Refuse what is not one of the five words, and a time zone that nobody knows."""
    if not columns:
        raise TremplinError("No columns are declared. Name each column that is used and its type.")
    for name, word in columns.items():
        if word not in WORDS:
            raise TremplinError(f"Column {name}: {word!r} is not a type; write one of {', '.join(WORDS)}.")
    if timezone is not None and timezone not in available_timezones():
        raise TremplinError(f"timezone {timezone!r} is not one of the IANA database, such as Europe/Paris.")


def schema(columns: Columns) -> pa.Schema:
    """Arrow's types of the words; times are microseconds in UTC."""
    import pyarrow as pa

    types = {
        "string": pa.string(), "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    return pa.schema([(name, types[word]) for name, word in columns.items()])


def from_python(
    rows: Sequence[Sequence[Any]], columns: Columns, timezone: str | None, where: str
) -> pa.Table:
    """Rows of Python values, in the order of ``columns``."""
    import pyarrow as pa

    if not rows:
        return schema(columns).empty_table()
    arrays = {}
    for (name, word), values in zip(columns.items(), zip(*rows, strict=True), strict=True):
        try:
            arrays[name] = pa.array(_one_zone(values) if word == "timestamp" else values)
        except (pa.ArrowException, TypeError, OverflowError, ValueError) as error:
            raise TremplinError(f"{where}: column {name} is not a {word}: {_first_line(error)}.") from None
    return cast(pa.table(arrays), columns, timezone, where)


def cast(table: pa.Table, columns: Columns, timezone: str | None, where: str) -> pa.Table:
    """The declared columns in their types.

    Raises:
        TremplinError: a column is missing; a value does not fit, or would lose digits; a time has no zone and ``timezone``
            is None, or its local hour exists twice or never.
    """
    import pyarrow as pa

    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise TremplinError(
            f"{where} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}."
        )
    target = schema(columns)
    arrays = []
    for name, word in columns.items():
        try:
            arrays.append(_cast(table.column(name), word, target.field(name).type, timezone))
        except (pa.ArrowException, _Unfit) as error:
            raise TremplinError(f"{where}: column {name} is not a {word}: {_first_line(error)}") from None
    return pa.table(arrays, schema=target)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """``str``, ``float64``, ``Int64``, ``boolean`` and ``datetime64[us, UTC]``: what is missing stays missing."""
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


class _Unfit(Exception):
    """Why a column does not fit its word."""


def _cast(column: pa.ChunkedArray, word: Word, target: pa.DataType, timezone: str | None) -> pa.ChunkedArray:
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = column.type
    if types.is_null(found) or found == target:
        return column.cast(target)
    if word == "timestamp":
        return _times(column, target, timezone)
    fits = {
        "string": _is_text(found) or types.is_integer(found),
        "number": _is_text(found) or _is_number(found),
        "integer": _is_text(found) or _is_number(found),
        "boolean": _is_text(found) or types.is_integer(found),
    }[word]
    if not fits:
        raise _Unfit(f"the source delivers {found}.")
    if word == "boolean" and types.is_integer(found):
        from pyarrow import compute

        if column.null_count < len(column) and not set(compute.unique(column).to_pylist()) <= {0, 1, None}:
            raise _Unfit("a number other than 0 and 1.")
    return column.cast(target)


def _times(column: pa.ChunkedArray, target: pa.DataType, timezone: str | None) -> pa.ChunkedArray:
    """Aware times in UTC; naive ones are local to ``timezone``."""
    import pyarrow as pa
    from pyarrow import compute, types

    found = column.type
    if _is_text(found):
        try:
            return column.cast(target)
        except pa.ArrowInvalid as error:
            if "expected a zone offset" not in str(error):
                raise
        column = column.cast(pa.timestamp("us")) if timezone else column
    elif types.is_timestamp(found) and found.tz is not None:
        return column.cast(target, safe=False)  # nothing finer than a microsecond is kept
    elif types.is_timestamp(found) or types.is_date(found):
        column = column.cast(pa.timestamp("us"), safe=False)
    else:
        raise _Unfit(
            f"the source delivers {found}. Deliver a time, or declare it as what it is and convert it in source.py."
        )
    if timezone is None:
        raise _Unfit(
            "its times have no zone. Name the zone they are local to with timezone=..., or deliver them with one."
        )
    try:
        return compute.assume_timezone(column, timezone).cast(target)
    except pa.ArrowInvalid as error:
        raise _Unfit(
            f"{_first_line(error)}. A local hour that exists twice or never must be decided: deliver UTC, or "
            "declare it as string and convert it in source.py."
        ) from None


def _one_zone(values: Sequence[Any]) -> Sequence[Any]:
    """Refuse aware and naive times side by side: Arrow would take the naive ones for UTC."""
    from datetime import datetime

    aware = {value.utcoffset() is not None for value in values if isinstance(value, datetime)}
    if len(aware) > 1:
        raise ValueError("some of its times have a zone and some have none")
    return values


def _is_text(found: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))


def _is_number(found: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(found) or types.is_floating(found) or types.is_decimal(found))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].strip()
