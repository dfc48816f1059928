"""A column as ``contract.yaml`` will have it, and those that every pilot has: key, time, calendar, target, label time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from tremplin.column import Column
from tremplin.scaffolding import ranges
from tremplin.scaffolding.personal import Suspicion
from tremplin.scaffolding.reading import Table
from tremplin.scaffolding.roles import Roles
from tremplin.scaffolding.source_file import Layout


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


def key_and_time(rows: pd.DataFrame, names: Layout, roles: Roles, table: Table) -> list[Entry]:
    """The key and the time."""
    how = "changeme: the row's place in the file; name columns that name a row for good"
    if roles.key:
        how = "as the file has it" if roles.key == (names.key,) else f"made of {' and '.join(roles.key)}"
    key: dict[str, Any] = {
        "name": names.key, "logicalType": "string", "description": f"Names a row for good: {how}",
        "tags": ["key"] + ["subject"] * (roles.subject == names.key), "required": True, "unique": True, "primaryKey": True,
        "classification": "internal", "logicalTypeOptions": ranges.of_text(rows[names.key], stored=True),
        "examples": [str(rows[names.key].iloc[0])],
    }  # fmt: skip
    seems = next((table.suspected[part] for part in roles.key if part in table.suspected), None)
    if seems is not None:
        key |= personal(seems) | {
            "examples": [seems.example],
            "logicalTypeOptions": {"maxLength": ranges.STORED},
        }
    words = "When it takes place"
    if roles.year_only:
        words = f"Drawn within {roles.time} by the row's key: changeme, the file says the year alone"
    elif not table.column(roles.time).zoned:
        words += "; changeme: the file says no zone, and it was taken as UTC"
    if roles.other_times:
        words += (
            f"; changeme: taken for the earliest, so that a row holds nothing of later; if {' or '.join(roles.other_times)} is "
            "meant, make the pilot again with `tremplin new --time`"
        )
    time = {
        "name": names.time, "logicalType": "timestamp", "description": words, "tags": ["time"], "required": True,
        "classification": "internal", "examples": [moment(rows[names.time].iloc[0])],
    }  # fmt: skip
    return [Entry(key), Entry(time)]


def calendar(name: str, time: str) -> Entry:
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


def answer(rows: pd.DataFrame, names: Layout, roles: Roles) -> list[Entry]:
    """The target and when it became known."""
    target = _amount(rows[names.target].dropna()) if roles.question.amount else _yes_or_no(names, roles)
    known = rows[names.label_time].dropna()
    label_time = {
        "name": names.label_time, "logicalType": "timestamp",
        "description": f"When the answer is known: {_since(roles)}",
        "tags": ["label_time"], "classification": "internal", "examples": [moment(known.iloc[0])],
    }  # fmt: skip
    return [Entry(target), Entry(label_time)]


def _yes_or_no(names: Layout, roles: Roles) -> dict[str, Any]:
    question = roles.question
    guess = f"; changeme: {question.chosen}" if question.chosen else ""
    return {
        "name": names.target, "logicalType": "boolean", "description": f"The answer: {question.words}{guess}", "tags": ["target"],
        "classification": "internal", "examples": [True],
    }  # fmt: skip


def _amount(values: pd.Series) -> dict[str, Any]:
    """Errors are judged as a share of its range, and no answer lies beyond it."""
    whole = pd.api.types.is_integer_dtype(values.dtype)
    seen = f"The answer, as the file has it; seen from {values.min():.6g} to {values.max():.6g}"
    return {
        "name": str(values.name), "logicalType": "integer" if whole else "number",
        "description": seen + ranges.stretched(values), "tags": ["target"],
        "classification": "internal", "logicalTypeOptions": ranges.of_target(values),
        "examples": [int(values.iloc[0]) if whole else float(values.iloc[0])],
        "customProperties": [{"property": "unit", "value": "changeme"}],
    }  # fmt: skip


def _since(roles: Roles) -> str:
    if roles.known.guessed:
        return f"changeme, taken as {roles.known.words}"
    return "as the file has it" if roles.known.column else roles.known.words


def moment(time: pd.Timestamp) -> str:
    """As an example in the contract."""
    return str(time.strftime("%Y-%m-%dT%H:%M:%SZ"))


def personal(suspicion: Suspicion) -> dict[str, Any]:
    """What a suspicion writes into a column."""
    return {
        "classification": suspicion.classification,
        "customProperties": [{"property": "purpose", "value": "changeme"}],
    }
