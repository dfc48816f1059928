"""The question: a column of the file as an answer of yes or no, or as an amount."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tremplin.errors import TremplinError
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.numerals import plain
from tremplin.scaffolding.reading import Column, Table

SHOWN = 3  # answers of a refusal
YES = ("1", "1.0", "true", "yes", "y", "t", "oui", "ja", "si", "sí")


@dataclass(frozen=True)
class Question:
    """What is asked of a column of the file: is it so, or how much is it."""

    name: str  # of the target in the contract
    column: str  # of the file, by its contract name
    words: str  # what yes means, or what is asked
    amount: bool = False  # how much is it
    yes: str | int | bool | None = None  # the value that is yes
    above: float | None = None  # or: yes is above it
    chosen: str | None = None  # why this value is yes, where nobody said so


def question(table: Table, asked: Asked) -> Question:
    """What the target asks: two values ask yes or no, a number of more asks how much.

    Raises:
        TremplinError: no target was named, or it is not to be answered by yes or no, nor an amount.
    """
    if asked.target is None:
        binary = [c for c in table.columns if c.kind != "time" and table.raw[c.name].nunique() == 2]
        if not binary:
            raise TremplinError(
                f"{table.reading.path.name} has no column of two values. Name the target: `--target COLUMN`, a number, with "
                "`--above VALUE` if the question is whether it is above it."
            )
        listed = ", ".join(f"{c.original} ({_two(table.raw[c.name])})" for c in binary)
        raise TremplinError(
            f"Name the target: `--target COLUMN`. These columns have two values: {listed}; a number may be an amount to predict."
        )
    column = table.named(asked.target)
    values = present(table, column)
    if column.kind == "time":
        raise TremplinError(
            f"The target {column.original} is a time. A target answers yes or no, or is a number."
        )
    if asked.above is not None:
        return _above(column, values, asked.above)
    count = values.nunique()
    if again := _written_otherwise(column, values):
        raise TremplinError(
            f"The target {column.original} writes one answer in several ways, which differ only in capitals or in spaces around "
            f"them: {again}. To a reader of the file each is an answer of its own: write each answer in one way there."
        )
    if count < 2:
        raise TremplinError(
            f"The target {column.original} has one value, {values.iloc[0]}: there is nothing to learn."
        )
    if count > 2 and column.kind in ("integer", "number"):
        return Question(column.name, column.name, f"how much {column.original} is", amount=True)
    if count > 2:
        some = ", ".join(map(str, values.unique()[:5]))
        doubt = f" It was {column.doubt}." if column.doubt else ""
        raise TremplinError(
            f"The target {column.original} has {count:,} values ({some}...). The loop answers yes or no, or an amount: make a "
            f"column of two values of it, in the file or later in source.py.{doubt}"
        )
    return _of_two(column, values)


def present(table: Table, column: Column) -> pd.Series:
    """The values that are there; numbers as numbers, whatever the file writes."""
    values = table.raw[column.name].dropna()
    if column.kind in ("integer", "number") and not pd.api.types.is_numeric_dtype(values.dtype):
        return plain(values, column.signs, table.reading.decimal).astype("float64")
    return values


def _written_otherwise(column: Column, values: pd.Series) -> str | None:
    """Spellings of the same answer, for people; None where each answer has one."""
    if column.kind not in ("text", "boolean") or pd.api.types.is_bool_dtype(values.dtype):
        return None
    written = pd.Series(values.astype("str").unique())
    same = [spellings for _, spellings in written.groupby(written.str.strip().str.casefold())]
    several = [" and ".join(map(repr, spellings)) for spellings in same if len(spellings) > 1]
    return "; ".join(several[:SHOWN]) + (", ..." if len(several) > SHOWN else "") or None


def _above(column: Column, values: pd.Series, above: float) -> Question:
    if column.kind not in ("integer", "number"):
        doubt = f" It was {column.doubt}." if column.doubt else ""
        raise TremplinError(f"--above is for a number; {column.original} is a {column.kind}.{doubt}")
    share = float((values.astype("float64") > above).mean())
    if share in (0, 1):
        raise TremplinError(
            f"{'Every' if share else 'No'} value of {column.original} is above {above:g}; it goes from {values.min():g} to "
            f"{values.max():g}. Choose a value between."
        )
    name = f"{column.name}_above_{above:g}".replace(".", "_").replace("-", "minus_").replace("+", "")
    return Question(name, column.name, f"{column.original} is above {above:g}", above=above)


def _of_two(column: Column, values: pd.Series) -> Question:
    counts = values.value_counts()
    rare, common = counts.index[-1], counts.index[0]
    spelled = [value for value in (rare, common) if str(value).lower() in YES]
    yes, chosen = (spelled[0], None) if len(spelled) == 1 else (rare, f"it is rarer than {common!s}")
    value: str | int | bool = str(yes)
    if column.kind == "boolean":
        value = str(yes).lower() == "true"
    elif column.kind in ("integer", "number"):
        value = int(float(yes))
        if value != float(yes):
            raise TremplinError(
                f"The target {column.original} has the values {rare} and {common}: use --above."
            )
    words = f"yes where {column.original} is {value}" + (f" ({chosen})" if chosen else "")
    return Question(column.name, column.name, words, yes=value, chosen=chosen)


def _two(values: pd.Series) -> str:
    return " and ".join(map(str, values.dropna().unique()))
