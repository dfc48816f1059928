"""``source.py``: written once by `tremplin new`, then a person's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tremplin.scaffolding.question import Question
from tremplin.scaffolding.reading import TYPES, WORDS, Column, Kind, Reading, Table
from tremplin.scaffolding.roles import Roles
from tremplin.scaffolding.spelling import filled, indented, listed, mapping, parenthesised, sequence, text

CALENDAR = {"hour": ".dt.hour", "weekday": ".dt.weekday", "month": ".dt.month"}


@dataclass(frozen=True)
class Layout:
    """Names of the contract's columns, in its order."""

    key: str
    time: str
    kept: tuple[str, ...]  # columns of the file that are neither of them, nor the target
    calendar: tuple[str, ...]  # what is made of the time
    target: str
    label_time: str

    @property
    def columns(self) -> list[str]:
        """All of them."""
        return [self.key, self.time, *self.kept, *self.calendar, self.target, self.label_time]


def layout(table: Table, roles: Roles) -> Layout:
    """Which columns the source gives; what it makes gets names that no column of the file has."""
    names = {column.name for column in table.columns}

    def free(name: str) -> str:
        return name if name not in names else free(f"{name}_")

    question = roles.question
    key = roles.key[0] if len(roles.key) == 1 and roles.key[0] != roles.time else free("row_id")
    time = free("moment") if roles.year_only else roles.time
    label_time = roles.known.column or free(f"{question.name}_known_at")
    gone = {key, time, question.column, question.name, label_time} | (
        {roles.time} if roles.year_only else set()
    )
    kept = tuple(column.name for column in table.columns if column.name not in gone)
    calendar = () if roles.year_only else tuple(name for name in CALENDAR if name not in names)
    return Layout(key, time, kept, calendar, question.name, label_time)


def source(name: str, table: Table, roles: Roles, names: Layout, root: Path, *, traced: bool) -> str:
    """The text of ``source.py``.

    ``traced``: by ``read_files``, which notes where the rows came from and opens any address; it reads CSV with commas and
    ISO times, or Parquet, and only the window. Otherwise by pandas, the whole file.
    """
    used = {*names.columns, *roles.key, roles.time, roles.question.column}
    columns = [column for column in table.columns if column.name in used]
    renamed = {c.original: c.name for c in columns if c.original != c.name}
    path = table.reading.path
    file = path.relative_to(root) if path.is_relative_to(root) else path
    declared, reading = (_traced if traced else _untraced)(table.reading, columns, roles)
    declared += [mapping("RENAMED", renamed, "  # as the file calls them: as the contract does")] * bool(
        renamed
    )
    after = f"LABEL_AFTER = {roles.known.code}  # from the time of a row to its answer"
    after_lines = [after] * (roles.known.after is not None)
    lines = [*reading, *["rows = rows.rename(columns=RENAMED)"] * bool(renamed), *_made(roles, names)]
    if not traced:
        lines.append(f'rows = rows[rows["{names.time}"].between(start, end, inclusive="left")]')
    content = filled(
        "source.py",
        file_name=path.name,
        api="TremplinError, read_files" if traced else "TremplinError",
        file=text(file.as_posix()),
        variable=f"TREMPLIN_{name.upper().replace('-', '_')}_FILE",
        declared="\n".join([*declared, *after_lines, sequence("COLUMNS", names.columns)]),
        time=names.time,
        body=indented(lines),
        more=_WITHIN_YEAR if roles.year_only else "",
    )
    return content.rstrip() + "\n"


def _traced(reading: Reading, columns: list[Column], roles: Roles) -> tuple[list[str], list[str]]:
    """Assignments, and the call that reads the window's rows."""
    words = {c.original: WORDS[_kind(c, roles)] for c in columns}
    time = next(c.original for c in columns if c.name == roles.time)
    missing = f", missing={parenthesised(reading.missing)}" if reading.missing != ("",) else ""
    zone = ', timezone="UTC"' if any(c.kind == "time" and not c.zoned for c in columns) else ""
    call = f"rows = read_files(address(), start, end, time={text(time)}, columns=READ{zone}{missing})"
    return [mapping("READ", words)], [call]


def _untraced(reading: Reading, columns: list[Column], roles: Roles) -> tuple[list[str], list[str]]:
    """Assignments, and the lines that read the whole file."""
    times = {c.original: c.form for c in columns if c.kind == "time"}
    types = {c.original: TYPES[_kind(c, roles)] for c in columns if c.kind != "time"}
    note = "  # how the file writes them; a time without a zone is taken as UTC"
    declared = [mapping("READ", types)] + [mapping("TIMES", times, note)] * bool(times)
    signs = {c.original: c.signs for c in columns if c.signs and _kind(c, roles) in ("integer", "number")}
    declared += [mapping("SIGNS", signs, "  # written in numbers, and no part of them")] * bool(signs)
    wanted = "[*READ, *TIMES]" if times else "list(READ)"
    if reading.separator is None:
        call = f'rows = pd.read_parquet(address(), columns={wanted}, to_pandas_kwargs={{"ignore_metadata": True}})'
        lines = [call, "rows = rows.astype(READ)"]
    else:
        as_text = [name for name, there in (("TIMES", times), ("SIGNS", signs)) if there]
        kinds = " | ".join(["READ", *(f'dict.fromkeys({name}, "str")' for name in as_text)])
        how = [f"dtype={kinds}", "keep_default_na=False", f"na_values={listed(reading.missing)}"]
        # Of named columns pandas takes the first fields of a row, however many it has.
        how += [f"usecols={wanted}", "index_col=False"] if reading.surplus else []
        how += ["skipinitialspace=True"]
        how += [f"sep={text(reading.separator)}"] if reading.separator != "," else []
        how += [f"decimal={text(reading.decimal)}"] if reading.decimal != "." else []
        how += [f"encoding={text(reading.encoding)}"] if reading.encoding != "utf-8" else []
        lines = ["rows = pd.read_csv(", "    address(),", *(f"    {part}," for part in how), ")"]
        lines += [] if reading.surplus else _LONGER
        if signs:
            point = f'.str.replace("{reading.decimal}", ".", regex=False)' * (reading.decimal != ".")
            lines += [
                "for name, signs in SIGNS.items():",
                f'    plain = rows[name].str.translate(str.maketrans("", "", signs)){point}',
                "    rows[name] = plain.astype(READ[name])",
            ]
    if times:
        lines += [
            "for name, form in TIMES.items():",
            "    rows[name] = pd.to_datetime(rows[name], format=form, utc=True)",
        ]
    return declared, lines


def _kind(column: Column, roles: Roles) -> Kind:
    """A number that names rows is a text."""
    return "text" if roles.key == (column.name,) and column.kind != "time" else column.kind


def _made(roles: Roles, names: Layout) -> list[str]:
    """The lines that make what the file does not have."""
    lines = _key(roles, names)
    if roles.year_only:
        lines.append(f'rows["{names.time}"] = within_year(rows["{roles.time}"], rows["{names.key}"])')
    lines += [
        f'rows["{name}"] = rows["{names.time}"]{CALENDAR[name]}.astype("Int64")' for name in names.calendar
    ]
    lines += _target(roles.question)
    if roles.known.column is None:
        lines.append(f'known_at = rows["{names.time}"] + LABEL_AFTER')
        lines.append(f'rows["{names.label_time}"] = known_at.mask(rows["{names.target}"].isna())')
    return lines


def _key(roles: Roles, names: Layout) -> list[str]:
    if names.key in roles.key:
        return []
    if not roles.key:
        return [
            f'rows["{names.key}"] = [f"row-{{place}}" for place in range(len(rows))]  # only if rows are never moved'
        ]
    parts = [
        f'rows["{part}"].dt.strftime("%Y%m%dT%H%M%S.%f")' if part == roles.time and not roles.year_only
        else f'rows["{part}"].astype("str")'
        for part in roles.key
    ]  # fmt: skip
    joined = ' + "-" + '.join(parts)
    return [f'rows["{names.key}"] = {joined}']


def _target(question: Question) -> list[str]:
    if question.amount:
        return []  # as the file has it
    asked = f'rows["{question.column}"]'
    if question.above is not None:
        answer = f"asked.gt({question.above:.12g})"
    elif isinstance(question.yes, bool):
        answer = "asked" if question.yes else "~asked"
    else:
        answer = f"asked.eq({text(question.yes) if isinstance(question.yes, str) else question.yes})"
    return [
        f"asked = {asked}",
        f'rows["{question.name}"] = {answer}.astype("boolean").mask(asked.isna())',
    ]


_LONGER = [
    "if not isinstance(rows.index, pd.RangeIndex):  # so pandas takes rows that are longer than the header",
    '    raise TremplinError(f"{address()}: its rows have more fields than its header.")',
]
_WITHIN_YEAR = '''

def within_year(years: pd.Series, keys: pd.Series) -> pd.Series:
    """A moment of each row's year, drawn by its key: the file says the year alone. Nothing about seasons can be learned."""
    begins = pd.to_datetime(years.astype("str"), format="%Y", utc=True)
    length = pd.to_datetime((years + 1).astype("str"), format="%Y", utc=True) - begins
    share = pd.Series(pd.util.hash_array(keys.to_numpy(object), categorize=False) / 2**64, index=years.index)
    return (begins + length * share).dt.floor("s")
'''
