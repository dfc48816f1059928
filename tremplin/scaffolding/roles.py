"""Which column is what: the question, the time, the key, the site, the subject, and when an answer is known."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tremplin.column import STORED
from tremplin.errors import TremplinError
from tremplin.scaffolding.answers import Known, known, times
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.numerals import SPACES
from tremplin.scaffolding.question import Question, present, question
from tremplin.scaffolding.reading import NAMELESS, Column, Table

YEARS = (1900, 2100)
FEW_DAYS = 0.5  # of the days that the richest time has: one of fewer tells of a thing (opened, founded), not of the row


@dataclass(frozen=True)
class Roles:
    """Contract names. A key of several columns, or of none, is made by the source."""

    question: Question
    time: str
    year_only: bool  # the time column holds years: rows are spread over them
    other_times: tuple[
        str, ...
    ]  # that could be meant, as the file calls them; none where a person named the time
    key: tuple[str, ...]  # none: the row's place in the file
    site: str | None
    subject: str | None
    known: Known
    said: tuple[str, ...]  # what was decided here, and why


def choose(table: Table, asked: Asked) -> Roles:
    """Decide what was not asked for.

    Raises:
        TremplinError: it cannot be decided, or what was asked for cannot be; it says what to do.
    """
    asks = question(table, asked)
    time, year_only, why_time, other_times = _time(table, asked)
    if time == asks.column:
        raise TremplinError(f"{time} cannot be both the target and the time. Name another with --time.")
    key, why_key = _key(table, asked, asks, time)
    site, subject = (table.named(n).name if n else None for n in (asked.site, asked.subject))
    for option, name in (("--site", site), ("--subject", subject), *(("--key", part) for part in key)):
        if option != "--key" and name in (asks.column, time):
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
    since = known(table, asked, None if year_only else time, asks.column)
    guess = " (a guess: say it with --label-after or --label-time)" if since.guessed else ""
    said = (
        f"target {asks.name}: {asks.words}{_or_above(table, asks)}",
        why_time,
        why_key,
        f"an answer is known {since.words}{guess}",
        *(f"{c.original}: {c.doubt}" for c in table.columns if c.doubt),
        *(
            f"{c.original}: read as {c.form}, and day and month may be the other way round: write 2013-07-01 if so"
            for c in table.columns
            if c.ambiguous
        ),
    )
    return Roles(asks, time, year_only, other_times, key, site, subject, since, said)


def _or_above(table: Table, question: Question) -> str:
    """Of an amount: how to ask yes or no instead."""
    if not question.amount:
        return ""
    values = present(table, table.column(question.column)).astype("float64")
    return f" (`--above {values.quantile(0.75):g}` asks instead whether it is in its highest quarter)"


def _time(table: Table, asked: Asked) -> tuple[str, bool, str, tuple[str, ...]]:
    """The column, whether it says only the year, why it was taken, and which others could be meant."""
    if asked.time is not None:
        column = table.named(asked.time)
        if column.kind == "time":
            return column.name, False, f"time {column.name}: as asked", ()
        if _years(table, column):
            return (
                column.name,
                True,
                f"time: spread by key over the year that {column.name} says, as asked",
                (),
            )
        raise TremplinError(
            f"--time {column.original}: its values are no times of one form, such as {_some(table, column)}. Write them as "
            "2013-07-01 or 2013-07-01T06:00:00Z."
        )
    answer = table.named(asked.label_time).name if asked.label_time else None
    taken = {answer, *table.suspected}
    found = [c for c in table.columns if c.kind == "time" and c.name not in taken]
    if found:
        first = _earliest(table, [c for c in found if table.raw[c.name].notna().all()] or found)
        others = tuple(c.original for c in found if c is not first)
        why = "the only time"
        if others:
            why = f"on the whole the earliest, so known first; `--time COLUMN` if it is another of {', '.join(others)}"
        return first.name, False, f"time {first.name}: {why}", others
    years = [c.original for c in table.columns if _years(table, c) and "year" in c.name]
    hint = (
        f" `{years[0]}` says only the year: `--time {years[0]}` spreads its rows over the year by their key, and then nothing "
        "can be said about seasons."
        if years
        else ""
    )
    doubts = "".join(f" {column.original}: {column.doubt}." for column in table.columns if column.doubt)
    raise TremplinError(
        f"{table.reading.path.name} has no column of times, and everything here is cut by time: training, evaluation, each "
        f"month. Bring a column of dates, and name it with `--time COLUMN` if it is not found.{hint}{doubts}"
    )


def _earliest(table: Table, found: list[Column]) -> Column:
    """Of the times that tell of the row, the one that lies before the others in most rows; of several, the file's first.

    Where one says the day alone, days are compared: midnight is before whatever came first that day.
    """
    moments = pd.DataFrame({column.name: times(table, column) for column in found})
    days = moments.apply(lambda of: of.dt.normalize())
    different = days.nunique()
    own = different.index[different >= FEW_DAYS * different.max()]
    compared = days if any(moments[name].equals(days[name]) for name in own) else moments
    first = compared[own].rank(axis="columns").mean().idxmin()
    return next(column for column in found if column.name == first)


def _years(table: Table, column: Column) -> bool:
    if column.kind != "integer":
        return False
    values = present(table, column)
    return bool(values.between(*YEARS).all()) and not table.raw[column.name].isna().any()


def _some(table: Table, column: Column) -> str:
    return ", ".join(map(str, table.raw[column.name].dropna().unique()[:3]))


def _key(table: Table, asked: Asked, question: Question, time: str) -> tuple[tuple[str, ...], str]:
    if asked.key:
        names = tuple(table.named(name).name for name in asked.key)
        return _asked_key(table, names, question)
    taken = table.suspected.keys() | {question.column, time}
    free = [c for c in table.columns if c.name not in taken and _code(table, c)]
    free.sort(key=lambda c: c.original.startswith(NAMELESS))  # it may count the rows
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


def _code(table: Table, column: Column) -> bool:
    """Whether its values can name rows: keys stand in the store, in answers and in evidence, where no sentence belongs."""
    if column.kind == "integer":
        return True
    if column.kind != "text":
        return False
    values = table.raw[column.name].dropna().astype("str")
    return not values.str.contains(rf"[\s{SPACES}]").any() and int(values.str.len().max()) <= STORED


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
