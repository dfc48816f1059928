"""The contract's columns, from the rows as the new source gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from tremplin.column import Column
from tremplin.scaffolding import ranges
from tremplin.scaffolding.amounts import FEATURE_AUC_LIMIT
from tremplin.scaffolding.leaks import SingleAuc, suspected_leak
from tremplin.scaffolding.personal import Suspicion
from tremplin.scaffolding.python_files import Layout
from tremplin.scaffolding.reading import Table
from tremplin.scaffolding.roles import Roles
from tremplin.scaffolding.window import Window

MANY = 1000  # different values beyond which a text is no category that a model learns from
HALF = 0.5  # of the rows: a text with more values than that names rows


@dataclass(frozen=True)
class Entry:
    """One column of the contract; ``remark`` stands behind its tags."""

    fields: dict[str, Any]
    remark: str | None = None
    suspected: Literal["personal", "leak"] | None = None

    @property
    def name(self) -> str:
        """Of the column."""
        return str(self.fields["name"])

    @property
    def is_feature(self) -> bool:
        """Whether the model sees it."""
        return "feature" in self.fields["tags"]

    @property
    def column(self) -> Column:
        """As the contract will read it."""
        return Column.model_validate(self.fields)


def describe(
    rows: pd.DataFrame, cut: Window, names: Layout, roles: Roles, table: Table, *, single_auc: SingleAuc
) -> list[Entry]:
    """An entry for each column of ``rows`` (in order of time)."""
    seen = [
        *_own(rows, names, roles, table),
        *(
            _kept(rows[name], table.column(name).original, roles, table.suspected.get(name))
            for name in names.kept
        ),
    ]
    checked = [_confirmed(entry, rows, cut, names.target, single_auc=single_auc) for entry in seen]
    return [*checked, *(_calendar(name, names.time) for name in names.calendar), *_answer(rows, names, roles)]


def _own(rows: pd.DataFrame, names: Layout, roles: Roles, table: Table) -> list[Entry]:
    """The key and the time."""
    how = (
        "as the file has it"
        if roles.key == (names.key,)
        else f"made of {' and '.join(roles.key)}"
        if roles.key
        else "changeme: the row's place in the file; name columns that name a row for good"
    )
    key: dict[str, Any] = {
        "name": names.key, "logicalType": "string", "description": f"Names a row for good: {how}",
        "tags": ["key"] + ["subject"] * (roles.subject == names.key), "required": True, "unique": True, "primaryKey": True,
        "classification": "internal", "logicalTypeOptions": ranges.of_text(rows[names.key], stored=True),
        "examples": [str(rows[names.key].iloc[0])],
    }  # fmt: skip
    if names.key in table.suspected:
        key |= _personal(table.suspected[names.key]) | {"examples": [table.suspected[names.key].example]}
    zone = (
        "" if table.column(roles.time).zoned else "; changeme: the file says no zone, and it was taken as UTC"
    )
    words = (
        f"Drawn within {roles.time} by the row's key: changeme, the file says the year alone"
        if roles.year_only
        else f"When it takes place{zone}"
    )
    time = {
        "name": names.time, "logicalType": "timestamp", "description": words, "tags": ["time"], "required": True,
        "classification": "internal", "examples": [_moment(rows[names.time].iloc[0])],
    }  # fmt: skip
    return [Entry(key), Entry(time)]


def _kept(column: pd.Series, original: str, roles: Roles, suspicion: Suspicion | None) -> Entry:
    """A column of the file, as a feature where it can be one."""
    name, values = str(column.name), column.dropna()
    tags = ["site"] * (name == roles.site) + ["subject"] * (name == roles.subject)
    fields: dict[str, Any] = {
        "name": name,
        **_form(column, values, original, stored=name == roles.subject),
    }
    fields |= {"tags": tags, "classification": "internal"}
    remark: str | None = None
    kind: Literal["personal"] | None = None
    if suspicion is not None:
        tags = ["protected"] if suspicion.classification == "special" else tags
        fields |= {"tags": tags}
        fields |= _personal(suspicion) | _unseen(fields, suspicion)
        remark = f"changeme: it seems to be {suspicion.what} ({suspicion.because}); " + (
            "fairness is measured by it and nothing else"
            if tags == ["protected"]
            else "no feature until a person says so"
        )
        kind = "personal"
    elif (reason := _no_feature(column, values, fields)) is not None:
        remark = None if tags else reason
    else:
        fields["tags"] = [*tags, "feature"]
    if tags or (fields["tags"] and values.size == len(column)):
        fields["required"] = True
    order = [
        "name",
        "logicalType",
        "description",
        "tags",
        "required",
        "classification",
        "logicalTypeOptions",
        "enum",
        "examples",
        "customProperties",
    ]
    return Entry({k: fields[k] for k in order if fields.get(k) is not None}, remark, kind)


def _form(column: pd.Series, values: pd.Series, original: str, *, stored: bool) -> dict[str, Any]:
    """Type, bounds, description and examples."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return {
            "logicalType": "timestamp",
            "description": f"{original}, as the file has it",
            "examples": [_moment(values.iloc[0])],
        }
    if pd.api.types.is_bool_dtype(column.dtype):
        return {
            "logicalType": "boolean",
            "description": f"{original}, as the file has it",
            "examples": [bool(values.iloc[0])],
        }
    if pd.api.types.is_numeric_dtype(column.dtype):
        whole = pd.api.types.is_integer_dtype(column.dtype)
        seen = f"{values.min():.6g} to {values.max():.6g}"
        example = int(values.iloc[0]) if whole else float(values.iloc[0])
        return {
            "logicalType": "integer" if whole else "number",
            "description": f"{original}, as the file has it; seen from {seen}",
            "logicalTypeOptions": ranges.of_number(values, whole=whole),
            "examples": [example],
        }
    listed = ranges.closed_list(values)
    shape: dict[str, Any] = {"enum": [{"value": value} for value in listed]} if listed and not stored else {}
    shape = shape or {"logicalTypeOptions": ranges.of_text(values, stored=stored)}
    common = values.value_counts().index[:3].tolist()
    return {
        "logicalType": "string",
        "description": f"{original}, as the file has it",
        **shape,
        "examples": common,
    }


def _no_feature(column: pd.Series, values: pd.Series, fields: dict[str, Any]) -> str | None:
    """Why a column that nobody is suspicious of is no feature."""
    different = values.nunique()
    if fields["logicalType"] == "timestamp":
        return "a time is no feature; make a number of it in source.py"
    if different < 2 and len(values) == len(column):
        return "one value: nothing to learn from"
    if fields["logicalType"] == "string" and different > min(MANY, HALF * len(values)):
        return f"{different:,} values: it names rows rather than kinds"
    if (
        fields["logicalType"] == "integer"
        and different == len(column)
        and column.diff().dropna().abs().max() == 1
    ):
        return "it counts the rows"
    return None


def _personal(suspicion: Suspicion) -> dict[str, Any]:
    return {
        "classification": suspicion.classification,
        "customProperties": [{"property": "purpose", "value": "changeme"}],
    }


def _unseen(fields: dict[str, Any], suspicion: Suspicion) -> dict[str, Any]:
    """Nobody's data in the contract, which lies in git: a made-up example, and a list only of what is no one's own."""
    if fields["logicalType"] not in ("string", "timestamp") or (
        "enum" in fields and suspicion.classification == "special"
    ):
        return {}
    if fields["logicalType"] == "timestamp":
        return {"examples": [suspicion.example]}
    longest = max(fields.get("logicalTypeOptions", {}).get("maxLength", 100), len(suspicion.example))
    return {"enum": None, "logicalTypeOptions": {"maxLength": longest}, "examples": [suspicion.example]}


def _confirmed(entry: Entry, rows: pd.DataFrame, cut: Window, target: str, *, single_auc: SingleAuc) -> Entry:
    """A feature that seems to know the answer is none."""
    if not entry.is_feature:
        return entry
    why = suspected_leak(entry.column, rows, cut, target, single_auc=single_auc, limit=FEATURE_AUC_LIMIT)
    if why is None:
        return entry
    fields = entry.fields | {"tags": [tag for tag in entry.fields["tags"] if tag != "feature"]}
    if not fields["tags"]:
        fields.pop("required", None)
    remark = f"changeme: {why}; add `feature` if it is known when the question is asked"
    return replace(entry, fields=fields, remark=remark, suspected="leak")


def _calendar(name: str, time: str) -> Entry:
    low, high = ranges.CALENDAR[name]
    words = {
        "hour": "Hour of the day",
        "weekday": "Day of the week, 0 is Monday",
        "month": "Month of the year",
    }[name]
    return Entry({
        "name": name, "logicalType": "integer", "description": f"{words}, of {time} in UTC", "tags": ["feature"],
        "required": True, "classification": "internal", "logicalTypeOptions": {"minimum": low, "maximum": high},
        "examples": [low],
    })  # fmt: skip


def _answer(rows: pd.DataFrame, names: Layout, roles: Roles) -> list[Entry]:
    """The target and when it became known."""
    question = roles.question
    guess = f"; changeme: {question.chosen}" if question.chosen else ""
    target = {
        "name": names.target, "logicalType": "boolean", "description": f"The answer: {question.words}{guess}", "tags": ["target"],
        "classification": "internal", "examples": [True],
    }  # fmt: skip
    known = rows[names.label_time].dropna()
    label_time = {
        "name": names.label_time, "logicalType": "timestamp",
        "description": f"When the answer is known: {_since(roles)}",
        "tags": ["label_time"], "classification": "internal", "examples": [_moment(known.iloc[0])],
    }  # fmt: skip
    return [Entry(target), Entry(label_time)]


def _since(roles: Roles) -> str:
    if roles.known.guessed:
        return f"changeme, taken as {roles.known.words}"
    return "as the file has it" if roles.known.column else roles.known.words


def _moment(time: pd.Timestamp) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
