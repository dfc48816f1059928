"""The data contract: the one place where a column is described.

The file is an Open Data Contract Standard document, of which this is the strict subset that Tremplin
enforces. A column's part in the pilot is in its ``tags``: ``key``, ``time``, ``site``, ``subject``,
``feature``, ``target``, ``label_time``.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tremplin import strict_yaml


class Strict(BaseModel):
    """Unknown keys are faults; values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Role(StrEnum):
    """What a column is for."""

    KEY = "key"  # names a row for good; predictions and outcomes are joined on it
    TIME = "time"  # when the event takes place; windows and splits are cut on it
    SITE = "site"  # where it takes place; performance is shown by it
    SUBJECT = "subject"  # the pseudonymous key that a cohort is drawn from
    FEATURE = "feature"  # the model sees it
    TARGET = "target"  # what is predicted; empty where it is not known
    LABEL_TIME = "label_time"  # when the target became known


LogicalType = Literal["string", "number", "integer", "boolean", "timestamp"]


class Range(Strict):
    """Bounds, both inclusive: of the value of a number, of the length or form of a string."""

    minimum: float | None = None
    maximum: float | None = None
    minLength: int | None = Field(default=None, ge=0)
    maxLength: int | None = Field(default=None, ge=1)
    pattern: str | None = None


class Category(Strict):
    """One of the values a column may take."""

    value: str
    description: str | None = None


class Property(Strict):
    """ODCS' custom property; ``unit``, ``purpose`` and ``timezone`` are known."""

    property: Literal["unit", "purpose", "availability"]
    value: str


class Column(Strict):
    """One column, as ODCS describes it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    logicalType: LogicalType
    description: Annotated[str, Field(min_length=5)]
    tags: list[Role] = []
    required: bool = False
    unique: bool = False
    primaryKey: bool = False
    classification: Literal["public", "internal", "personal", "special"]
    logicalTypeOptions: Range = Range()
    enum: list[Category] | None = None
    examples: Annotated[list[Any], Field(min_length=1)]
    customProperties: list[Property] = []

    @property
    def unit(self) -> str | None:
        """Unit of a number, as written in the contract."""
        return self._custom("unit")

    @property
    def purpose(self) -> str | None:
        """What the column is used for; needed where it is personal."""
        return self._custom("purpose")

    @property
    def categories(self) -> list[str] | None:
        """The closed list of values, or None where any value of the type goes."""
        return [category.value for category in self.enum] if self.enum is not None else None

    @property
    def numeric(self) -> bool:
        """Whether the model and the drift see a number (otherwise: a category)."""
        return self.logicalType in ("number", "integer", "boolean")

    def _custom(self, name: str) -> str | None:
        return next((item.value for item in self.customProperties if item.property == name), None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        bounds = self.logicalTypeOptions
        if self.classification in ("personal", "special") and not self.purpose:
            raise ValueError(
                f"column {self.name} is {self.classification} and has no customProperty `purpose`"
            )
        if self.classification == "special" and Role.FEATURE in self.tags:
            raise ValueError(f"column {self.name} is special-category data and cannot be a feature")
        if self.enum is not None and self.logicalType != "string":
            raise ValueError(f"column {self.name}: `enum` is for strings, not {self.logicalType}")
        if bounds.pattern is not None:
            try:
                re.compile(bounds.pattern)
            except re.error as error:
                raise ValueError(
                    f"column {self.name}: pattern {bounds.pattern!r} is no regular expression: {error}"
                ) from None
        if bounds.minimum is not None and bounds.maximum is not None and bounds.minimum > bounds.maximum:
            raise ValueError(
                f"column {self.name}: minimum {bounds.minimum} is above maximum {bounds.maximum}"
            )
        if Role.FEATURE in self.tags and self.logicalType == "timestamp":
            raise ValueError(
                f"column {self.name}: a timestamp cannot be a feature; give the model a number of it"
            )
        return self


class Table(Strict):
    """The one table of a pilot."""

    name: str
    logicalType: Literal["object"] = "object"
    physicalType: str = "parquet"
    description: str
    dataGranularityDescription: str
    properties: Annotated[list[Column], Field(min_length=1)]


class About(Strict):
    """Why the data exists and what it is not good for."""

    purpose: str
    usage: str
    limitations: str


class Contract(Strict):
    """A pilot's data contract."""

    apiVersion: Literal["v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0"]
    kind: Literal["DataContract"]
    id: str
    name: str
    version: str
    status: Literal["proposed", "draft", "active", "deprecated", "retired"]
    description: About
    schema_: Annotated[list[Table], Field(alias="schema", min_length=1, max_length=1)]

    @property
    def columns(self) -> list[Column]:
        """Every column, in the order of the file."""
        return self.schema_[0].properties

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        return next((c for c in self.columns if c.name == name), None) or _missing(name)

    def with_role(self, role: Role) -> list[Column]:
        """Columns with that role, in the order of the file."""
        return [column for column in self.columns if role in column.tags]

    def _one(self, role: Role) -> str:
        return self.with_role(role)[0].name

    @property
    def key(self) -> str:
        """Name of the column that names a row."""
        return self._one(Role.KEY)

    @property
    def time(self) -> str:
        """Name of the column with the time of the event."""
        return self._one(Role.TIME)

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        return self._one(Role.TARGET)

    @property
    def label_time(self) -> str:
        """Name of the column that says when the target became known."""
        return self._one(Role.LABEL_TIME)

    @property
    def site(self) -> str | None:
        """Name of the column that says where, if there is one."""
        found = self.with_role(Role.SITE)
        return found[0].name if found else None

    @property
    def subject(self) -> str | None:
        """Name of the column a cohort is drawn from, if there is one."""
        found = self.with_role(Role.SUBJECT)
        return found[0].name if found else None

    @property
    def features(self) -> list[Column]:
        """What the model sees, in the order of the file."""
        return self.with_role(Role.FEATURE)

    @property
    def request_columns(self) -> list[Column]:
        """What a caller sends: everything but the target and when it became known."""
        return [c for c in self.columns if not {Role.TARGET, Role.LABEL_TIME} & set(c.tags)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"described twice: {', '.join(twice)}")
        for role in (Role.KEY, Role.TIME, Role.TARGET, Role.LABEL_TIME):
            found = [column.name for column in self.with_role(role)]
            if len(found) != 1:
                raise ValueError(f"exactly one column must have the tag `{role}`; found {found or 'none'}")
        for role in (Role.SITE, Role.SUBJECT):
            if len(self.with_role(role)) > 1:
                raise ValueError(f"at most one column may have the tag `{role}`")
        if not self.features:
            raise ValueError("no column has the tag `feature`")
        for role in (Role.TARGET, Role.LABEL_TIME):
            if Role.FEATURE in self.with_role(role)[0].tags:
                raise ValueError(
                    f"the {role} cannot be a feature: it is not known when the question is asked"
                )
        for role in (Role.TIME, Role.LABEL_TIME):
            if self.with_role(role)[0].logicalType != "timestamp":
                raise ValueError(f"the column with the tag `{role}` must be a timestamp")
        return self


def _missing(name: str) -> Column:
    raise KeyError(name)


def load_contract(path: Path) -> Contract:
    """Read a ``contract.yaml``; ConfigurationError names every fault and its line."""
    return strict_yaml.load(path, Contract)


def contract_hash(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
