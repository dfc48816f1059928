"""The contract's columns, from the rows as the new source gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pandas as pd

from tremplin.scaffolding import ranges
from tremplin.scaffolding.amounts import FEATURE_AUC_LIMIT
from tremplin.scaffolding.completeness import agreed
from tremplin.scaffolding.entries import Entry, answer, calendar, key_and_time, moment, personal
from tremplin.scaffolding.leaks import SingleAuc, suspected_leak
from tremplin.scaffolding.personal import Suspicion
from tremplin.scaffolding.reading import NAMELESS, Table
from tremplin.scaffolding.roles import Roles
from tremplin.scaffolding.source_file import Layout
from tremplin.scaffolding.window import Window

MANY = 1000  # different values beyond which a text is no category that a model learns from
ORDER = (
    "name", "logicalType", "description", "tags", "required", "classification", "logicalTypeOptions", "enum", "quality",
    "examples", "customProperties",
)  # fmt: skip
HALF = 0.5  # of the rows: a text with more values than that names rows


def describe(
    rows: pd.DataFrame, cut: Window, names: Layout, roles: Roles, table: Table, *, single_auc: SingleAuc
) -> list[Entry]:
    """An entry for each column of ``rows`` (in order of time)."""
    seen = [
        *key_and_time(rows, names, roles, table),
        *(
            _kept(rows[name], table.column(name).original, roles, table.suspected.get(name))
            for name in names.kept
        ),
    ]
    checked = [_confirmed(entry, rows, cut, names.target, single_auc=single_auc) for entry in seen]
    checked = [_filled(entry, rows, names, roles) for entry in checked]
    return [*checked, *(calendar(name, names.time) for name in names.calendar), *answer(rows, names, roles)]


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
        fields |= personal(suspicion) | _unseen(fields, suspicion)
        remark = f"changeme: it seems to be {suspicion.what} ({suspicion.because}); " + (
            "fairness is measured by it and nothing else"
            if tags == ["protected"]
            else "no feature until a person says so"
        )
        kind = "personal"
    elif (reason := _no_feature(column, values, fields, nameless=original.startswith(NAMELESS))) is not None:
        remark = None if tags else reason
    else:
        fields["tags"] = [*tags, "feature"]
    if tags or (fields["tags"] and values.size == len(column)):
        fields["required"] = True
    return Entry({k: fields[k] for k in ORDER if fields.get(k) is not None}, remark, kind)


def _form(column: pd.Series, values: pd.Series, original: str, *, stored: bool) -> dict[str, Any]:
    """Type, bounds, description and examples."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return {
            "logicalType": "timestamp",
            "description": f"{original}, as the file has it",
            "examples": [moment(values.iloc[0])],
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


def _no_feature(
    column: pd.Series, values: pd.Series, fields: dict[str, Any], *, nameless: bool
) -> str | None:
    """Why a column that nobody is suspicious of is no feature. What has no header and tells all rows apart counts them."""
    different = values.nunique()
    if fields["logicalType"] == "timestamp":
        return "a time is no feature; make a number of it in source.py"
    if different < 2 and len(values) == len(column):
        return "one value: nothing to learn from"
    if fields["logicalType"] == "string" and different > min(MANY, HALF * len(values)):
        return f"{different:,} values: it names rows rather than kinds"
    unique = fields["logicalType"] == "integer" and 1 < different == len(column)
    if unique and (nameless or int(column.max() - column.min()) == different - 1):
        return "it counts the rows"
    return None


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


def _filled(entry: Entry, rows: pd.DataFrame, names: Layout, roles: Roles) -> Entry:
    """A feature that may be empty, with how empty."""
    if not entry.is_feature:
        return entry
    rule = agreed(rows[entry.name], rows[names.time], rows[roles.site] if roles.site else None)
    fields = entry.fields | ({"quality": rule} if rule else {})
    return replace(entry, fields={key: fields[key] for key in ORDER if key in fields})


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
    remark = f"changeme: {why}; if it is known when the question is asked, write `feature` into its tags"
    return replace(entry, fields=fields, remark=remark, suspected="leak")
