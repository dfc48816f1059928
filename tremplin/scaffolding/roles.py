"""Which column is what: the question, the time, the key, the site, the subject, and when an answer is known."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tremplin.errors import TremplinError
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.reading import Column, Table

YES = ("1", "1.0", "true", "yes", "y", "t", "oui", "ja", "si", "sí")
DEFAULT_LABEL_AFTER = "1d"
YEARS = (1900, 2100)


@dataclass(frozen=True)
class Question:
    """A column of the file as an answer of yes or no."""

    name: str  # of the target in the contract
    column: str  # of the file, by its contract name
    words: str  # what yes means
    yes: str | int | bool | None = None  # the value that is yes
    above: float | None = None  # or: yes is above it
    chosen: str | None = None  # why this value is yes, where nobody said so


@dataclass(frozen=True)
class Roles:
    """Contract names. A key of several columns, or of none, is made by the source."""

    question: Question
    time: str
    year_only: bool  # the time column holds years: rows are spread over them
    key: tuple[str, ...]  # none: the row's place in the file
    site: str | None
    subject: str | None
    label_after: str
    label_guessed: bool
    said: tuple[str, ...]  # what was decided here, and why


def choose(table: Table, asked: Asked) -> Roles:
    """Decide what was not asked for.

    Raises:
        TremplinError: it cannot be decided, or what was asked for cannot be; it says what to do.
    """
    question = _question(table, asked)
    time, year_only, why_time = _time(table, asked)
    if time == question.column:
        raise TremplinError(f"{time} cannot be both the target and the time. Name another with --time.")
    key, why_key = _key(table, asked, question, time)
    site, subject = (table.column(n).name if n else None for n in (asked.site, asked.subject))
    for option, name in (("--site", site), ("--subject", subject)):
        if name in (question.column, time):
            raise TremplinError(f"{option} {name}: that column is the target or the time already.")
        if name in table.suspected and table.suspected[name].classification == "special":
            seems = table.suspected[name].what
            raise TremplinError(
                f"{option} {name}: it seems to be {seems}, which may be held for fairness alone."
            )
        if name and table.raw[name].isna().any():
            raise TremplinError(
                f"{option} {name}: it is missing in {int(table.raw[name].isna().sum()):,} rows."
            )
    after, why_after = _label_after(asked)
    said = (f"target {question.name}: {question.words}", why_time, why_key, why_after)
    return Roles(question, time, year_only, key, site, subject, after, asked.label_after is None, said)


def _question(table: Table, asked: Asked) -> Question:
    if asked.target is None:
        binary = [c for c in table.columns if c.kind != "time" and table.raw[c.name].nunique() == 2]
        if not binary:
            raise TremplinError(
                f"{table.reading.path.name} has no column of two values. Name the target: `--target COLUMN`, with "
                "`--above VALUE` if it is a number (yes is then: above it)."
            )
        listed = ", ".join(f"{c.original} ({_two(table.raw[c.name])})" for c in binary)
        raise TremplinError(f"Name the target: `--target COLUMN`. These columns have two values: {listed}.")
    column = table.column(asked.target)
    values = _present(table, column)
    if column.kind == "time":
        raise TremplinError(f"The target {column.original} is a time. A target answers yes or no.")
    if asked.above is not None:
        return _above(column, values, asked.above)
    count = values.nunique()
    if count < 2:
        raise TremplinError(
            f"The target {column.original} has one value, {values.iloc[0]}: there is nothing to learn."
        )
    if count > 2 and column.kind in ("integer", "number"):
        middle = values.astype("float64").quantile(0.75)
        raise TremplinError(
            f"The target {column.original} is a number of {count:,} values. Regression is not supported by the loop yet. "
            f"`--above VALUE` makes a question of yes or no of it: `--above {middle:g}` asks for the highest quarter."
        )
    if count > 2:
        some = ", ".join(map(str, values.unique()[:5]))
        raise TremplinError(
            f"The target {column.original} has {count:,} values ({some}...). The loop answers yes or no: make a column of "
            "two values of it, in the file or later in source.py."
        )
    return _of_two(column, values)


def _present(table: Table, column: Column) -> pd.Series:
    values = table.raw[column.name].dropna()
    if column.kind in ("integer", "number") and not pd.api.types.is_numeric_dtype(values.dtype):
        return values.str.replace(table.reading.decimal, ".").astype("float64")
    return values


def _above(column: Column, values: pd.Series, above: float) -> Question:
    if column.kind not in ("integer", "number"):
        raise TremplinError(f"--above is for a number; {column.original} is a {column.kind}.")
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


def _time(table: Table, asked: Asked) -> tuple[str, bool, str]:
    if asked.time is not None:
        column = table.column(asked.time)
        if column.kind == "time":
            return column.name, False, f"time {column.name}: as asked"
        if _years(table, column):
            return column.name, True, f"time: spread by key over the year that {column.name} says, as asked"
        raise TremplinError(
            f"--time {column.original}: its values are no times that can be read, such as {_some(table, column)}. Write them "
            "as 2013-07-01 or 2013-07-01T06:00:00Z."
        )
    times = [c for c in table.columns if c.kind == "time" and c.name not in table.suspected]
    whole = [c for c in times if table.raw[c.name].notna().all()] or times
    if whole:
        best = max(whole, key=lambda c: table.raw[c.name].nunique())
        why = (
            "the only time" if len(times) == 1 else "of the times that no row lacks, the one with most values"
        )
        return best.name, False, f"time {best.name}: {why}"
    years = [c.original for c in table.columns if _years(table, c) and "year" in c.name]
    hint = (
        f" `{years[0]}` says only the year: `--time {years[0]}` spreads its rows over the year by their key, and then nothing "
        "can be said about seasons."
        if years
        else ""
    )
    raise TremplinError(
        f"{table.reading.path.name} has no column of times, and everything here is cut by time: training, evaluation, each "
        f"month. Bring a column of dates, and name it with `--time COLUMN` if it is not found.{hint}"
    )


def _years(table: Table, column: Column) -> bool:
    if column.kind != "integer":
        return False
    values = _present(table, column)
    return bool(values.between(*YEARS).all()) and not table.raw[column.name].isna().any()


def _some(table: Table, column: Column) -> str:
    return ", ".join(map(str, table.raw[column.name].dropna().unique()[:3]))


def _key(table: Table, asked: Asked, question: Question, time: str) -> tuple[tuple[str, ...], str]:
    if asked.key:
        names = tuple(table.column(name).name for name in asked.key)
        return _asked_key(table, names, question)
    taken = table.suspected.keys() | {question.column, time}
    free = [c for c in table.columns if c.name not in taken and c.kind in ("text", "integer")]
    alone = [c.name for c in free if _names_rows(table.raw[[c.name]])]
    if alone:
        best = next((name for name in alone if "id" in name.split("_") or "key" in name.split("_")), alone[0])
        return (best,), f"key {best}: no two rows share a value"
    if _names_rows(table.raw[[time]]):
        return (time,), f"key made of {time}: no two rows share a time"
    for other in free:
        if _names_rows(table.raw[[time, other.name]]):
            return (time, other.name), f"key made of {time} and {other.name}: no two rows share both"
    return (
        (),
        "key: the row's place in the file, for no column tells rows apart (changeme: only if rows are never moved)",
    )


def _asked_key(table: Table, names: tuple[str, ...], question: Question) -> tuple[tuple[str, ...], str]:
    if question.column in names:
        raise TremplinError(f"--key {','.join(names)}: the target cannot name a row.")
    rows = table.raw[list(names)]
    missing, repeated = int(rows.isna().any(axis=1).sum()), int(rows.duplicated().sum())
    if missing or repeated:
        raise TremplinError(
            f"--key {','.join(names)} does not name rows: {missing:,} rows lack it and {repeated:,} repeat another's. Name "
            "columns that together are different in every row, as --key a,b."
        )
    return names, f"key {' and '.join(names)}: as asked"


def _names_rows(rows: pd.DataFrame) -> bool:
    return not rows.isna().any(axis=None) and not rows.duplicated().any()


def _label_after(asked: Asked) -> tuple[str, str]:
    given = asked.label_after or DEFAULT_LABEL_AFTER
    try:
        after = pd.Timedelta(given)
    except ValueError:
        raise TremplinError(
            f"--label-after {given!r} is no length of time. Write it as 1d, 12h or 30min."
        ) from None
    if not pd.Timedelta(0) <= after <= pd.Timedelta(days=3650):
        raise TremplinError(f"--label-after {given!r}: it is between 0d and ten years.")
    guess = "" if asked.label_after else " (a guess: say it with --label-after)"
    return given, f"an answer is known {given} after its row's time{guess}"


def _two(values: pd.Series) -> str:
    return " and ".join(map(str, values.dropna().unique()))
