"""The data contract: the one place where a column is described.

The file is an Open Data Contract Standard document, of which this is the strict subset that Tremplin
enforces. A column's part in the pilot is in its ``tags``: ``key``, ``time``, ``site``, ``subject``,
``feature``, ``target``, ``label_time``, ``protected``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from tremplin import strict_yaml
from tremplin.column import Column, Role
from tremplin.quality_rules import TableRule
from tremplin.strict import Strict, refuse
from tremplin.target import TASKS, Scale, Task

Rule = TypeVar("Rule", bound=Strict)

__all__ = ["Column", "Contract", "Role", "Strict", "contract_hash", "load_contract"]


class Table(Strict):
    """The one table of a pilot."""

    name: str
    logicalType: Literal["object"] = "object"
    physicalType: str = "parquet"
    description: str
    dataGranularityDescription: str
    properties: Annotated[list[Column], Field(min_length=1)]
    quality: Annotated[list[TableRule], Field(default_factory=list)]

    @field_validator("quality")
    @classmethod
    def _once(cls, rules: list[TableRule]) -> list[TableRule]:
        names = [rule.implementation.check for rule in rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        refuse([f"there are two rules of {name}" for name in twice])
        return rules

    @field_validator("properties")
    @classmethod
    def _complete(cls, columns: list[Column]) -> list[Column]:
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        having = {role: [column.name for column in columns if role in column.tags] for role in Role}
        faults = [f"described twice: {', '.join(twice)}"] if twice else []
        faults += [
            f"exactly one column must have the tag `{role}`; found {having[role] or 'none'}"
            for role in (Role.KEY, Role.TIME, Role.TARGET, Role.LABEL_TIME)
            if len(having[role]) != 1
        ]
        faults += [
            f"at most one column may have the tag `{role}`; found {having[role]}"
            for role in (Role.SITE, Role.SUBJECT)
            if len(having[role]) > 1
        ]
        if not having[Role.FEATURE]:
            faults.append("no column has the tag `feature`")
        refuse(faults)
        return columns


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

    def rule(self, kind: type[Rule]) -> Rule | None:
        """The limit that the contract sets for the table; None where it sets none."""
        rules = (rule.implementation for rule in self.schema_[0].quality)
        return next((rule for rule in rules if isinstance(rule, kind)), None)

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
    def task(self) -> Task:
        """What is predicted: yes or no, or an amount."""
        return TASKS[self.column(self.target).logicalType]

    @property
    def scale(self) -> Scale:
        """The range of the target, which turns labels and answers to the interval on which they are judged."""
        bounds = self.column(self.target).logicalTypeOptions
        if self.task is Task.CLASSIFICATION:
            return Scale(0.0, 1.0)
        assert bounds.minimum is not None and bounds.maximum is not None  # noqa: PT018  (the column was validated)
        return Scale(bounds.minimum, bounds.maximum)

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
    def protected(self) -> list[Column]:
        """What fairness is measured by, in the order of the file."""
        return self.with_role(Role.PROTECTED)

    @property
    def held_apart(self) -> list[Column]:
        """What the fairness checks alone may read: in the snapshot and in the audit table, nowhere else."""
        return [column for column in self.columns if column.held_apart]

    @property
    def training_columns(self) -> list[Column]:
        """What is in the prepared tables: everything that is not held apart."""
        return [column for column in self.columns if not column.held_apart]

    @property
    def optional_columns(self) -> list[Column]:
        """What may be empty in a row whose outcome is known."""
        outcome = (self.target, self.label_time)
        return [c for c in self.training_columns if c.nullable and c.name not in outcome]

    @property
    def request_columns(self) -> list[Column]:
        """What a caller sends: what trains, but the target and when it became known."""
        return [c for c in self.training_columns if not {Role.TARGET, Role.LABEL_TIME} & set(c.tags)]


def _missing(name: str) -> Column:
    raise KeyError(name)


def load_contract(path: Path) -> Contract:
    """Read a ``contract.yaml``; ConfigurationError names every fault and its line."""
    return strict_yaml.load(path, Contract)


def contract_hash(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
