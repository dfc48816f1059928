"""A column as the contract describes it, and the one rule of what a value of it may be.

A rule is written at the last field that it needs: pydantic then judges it whatever is wrong with the others, and its
fault has the line of that field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema, to_json

from tremplin.quality_rules import WHOLE, NullValues, Population
from tremplin.strict import Strict, refuse
from tremplin.target import TASKS, Task

OUTPUTS = ("label", "probabilities", "amount")  # of the ONNX models; their inputs are named by the features
STORED = 128  # characters that the store keeps of a key or a subject
FLOAT32 = (2 - 2**-23) * 2.0**127  # the model sees float32; beyond it a number would become infinite
INT64 = 2**63 - 1  # what a snapshot keeps of a whole number
EARLIEST, LATEST = (
    datetime(1700, 1, 1, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
)  # what analysis in nanoseconds can hold


class Role(StrEnum):
    """What a column is for."""

    KEY = "key"  # names a row for good; predictions and outcomes are joined on it
    TIME = "time"  # when the event takes place; windows and splits are cut on it
    SITE = "site"  # where it takes place; performance is shown by it
    SUBJECT = "subject"  # the pseudonymous key that a cohort is drawn from
    FEATURE = "feature"  # the model sees it
    TARGET = "target"  # what is predicted; empty where it is not known
    LABEL_TIME = "label_time"  # when the target became known
    PROTECTED = "protected"  # fairness is measured by it; with no other role it is held apart from training and requests


NOBODYS = (
    Role.KEY,
    Role.TIME,
    Role.SUBJECT,
    Role.TARGET,
    Role.LABEL_TIME,
)  # roles that say nothing of who somebody is

LogicalType = Literal["string", "number", "integer", "boolean", "timestamp"]


class Range(Strict):
    """Bounds, both inclusive: of the value of a number, of the length or form of a string."""

    minimum: float | None = None
    maximum: float | None = None
    minLength: int | None = Field(default=None, ge=0)
    maxLength: int | None = Field(default=None, ge=1)
    pattern: str | None = None

    @field_validator("maximum", "maxLength")
    @classmethod
    def _above_the_lower_bound(cls, high: float | None, info: ValidationInfo) -> float | None:
        lower = {"maximum": "minimum", "maxLength": "minLength"}[str(info.field_name)]
        low = info.data.get(lower)
        if low is not None and high is not None and low > high:
            raise ValueError(f"{lower} {low:g} is above {info.field_name} {high:g}")
        return high

    @field_validator("pattern")
    @classmethod
    def _understood_by_both(cls, pattern: str | None) -> str | None:
        """Rows and requests are matched by pydantic's engine (Rust's crate ``regex``); other readers may know Python's only."""
        if pattern is None:
            return None
        try:
            re.compile(pattern)
        except (re.error, OverflowError) as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None
        try:
            SchemaValidator(core_schema.str_schema(pattern=pattern))
        except SchemaError as error:
            reason = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
            raise ValueError(
                f"the server cannot match pattern {pattern!r}: {reason}. Write it without look-around (?=...), "
                "backreferences and other escapes than those that Python and Rust's `regex` share, or list the values in `enum`"
            ) from None
        return pattern


class Category(Strict):
    """One of the values a column may take."""

    value: str
    description: str | None = None


class Property(Strict):
    """ODCS' custom property; ``unit``, ``purpose``, ``availability``, ``bands`` and ``population`` are known."""

    property: Literal["unit", "purpose", "availability", "bands", "population"]
    value: str | dict[str, float]
    description: str | None = None  # of a population: its source

    @field_validator("value")
    @classmethod
    def _in_order(cls, value: str | dict[str, float], info: ValidationInfo) -> str | dict[str, float]:
        name = info.data.get("property")
        if isinstance(value, str) == (name == "population"):
            raise ValueError(
                "`population` is the share of each group, such as {north: 0.4, south: 0.6}"
                if name == "population"
                else f"`{name}` is a text"
            )
        if name == "bands" and isinstance(value, str):
            try:
                edges = _edges(value)
            except ValueError:
                edges = []
            if not edges or edges != sorted(set(edges)) or not all(map(math.isfinite, edges)):
                raise ValueError(
                    f"`bands` are numbers that grow, where a group begins, such as '25, 40, 55'; got {value!r}"
                )
        return value


class Column(Strict):
    """One column, as ODCS describes it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    logicalType: LogicalType
    description: Annotated[str, Field(min_length=5)]
    tags: Annotated[list[Role], Field(default_factory=list)]
    required: bool = False
    unique: bool = False
    primaryKey: bool = False
    classification: Literal["public", "internal", "personal", "special"]
    logicalTypeOptions: Annotated[Range, Field(default_factory=Range, validate_default=True)]
    enum: list[Category] | None = None
    examples: Annotated[list[Any], Field(min_length=1)]
    quality: Annotated[list[NullValues], Field(default_factory=list, max_length=1)]
    customProperties: Annotated[list[Property], Field(default_factory=list, validate_default=True)]

    @property
    def unit(self) -> str | None:
        """Unit of a number, as written in the contract."""
        return _custom(self.customProperties, "unit")

    @property
    def purpose(self) -> str | None:
        """What the column is used for; needed where it is personal."""
        return _custom(self.customProperties, "purpose")

    @property
    def bands(self) -> list[float] | None:
        """Where one group of a number ends and the next, which holds the edge, begins; None where none are declared."""
        text = _custom(self.customProperties, "bands")
        return None if text is None else _edges(text)

    @property
    def population(self) -> Population | None:
        """Whom the model will serve, by group of this column; None where the contract does not say."""
        found = next((item for item in self.customProperties if item.property == "population"), None)
        if found is None or isinstance(found.value, str):
            return None
        return Population(shares=found.value, source=found.description or "")

    @property
    def completeness(self) -> NullValues | None:
        """How many values may be missing; None where the contract does not say."""
        return self.quality[0] if self.quality else None

    @property
    def categories(self) -> list[str] | None:
        """The closed list of values, or None where any value of the type goes."""
        return [category.value for category in self.enum] if self.enum is not None else None

    @property
    def numeric(self) -> bool:
        """Whether the model and the drift see a number (otherwise: a category)."""
        return self.logicalType in ("number", "integer", "boolean")

    @property
    def nullable(self) -> bool:
        """Whether a value may be missing; a prediction is joined by its key and cut by its time, whatever else is said."""
        return not self.required and not {Role.KEY, Role.TIME} & set(self.tags)

    @property
    def of_people(self) -> bool:
        """Whether its values are people's: no message shows one."""
        return self.classification in ("personal", "special")

    @property
    def held_apart(self) -> bool:
        """Whether only the fairness checks may read it: it is in no training table, no request and no prediction."""
        return self.tags == [Role.PROTECTED]

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest value of a number; of an integer they are whole numbers."""
        low, high = self.logicalTypeOptions.minimum, self.logicalTypeOptions.maximum
        if self.logicalType == "integer":
            least = -INT64 if low is None else max(-INT64, math.ceil(low))
            return least, INT64 if high is None else min(INT64, math.floor(high))
        return -FLOAT32 if low is None else low, FLOAT32 if high is None else high

    @property
    def fits_pattern(self) -> Callable[[str], bool] | None:
        """Whether a text has the form that the contract asks for, by the engine that reads requests; None: it asks for none."""
        form = self.logicalTypeOptions.pattern
        return (
            None if form is None else SchemaValidator(core_schema.str_schema(pattern=form)).isinstance_python
        )

    @property
    def lengths(self) -> tuple[int | None, int | None]:
        """Bounds of a text's length; a key or subject is never longer than the store keeps."""
        longest = self.logicalTypeOptions.maxLength
        if {Role.KEY, Role.SUBJECT} & set(self.tags) and self.logicalType == "string":
            longest = min(longest or STORED, STORED)
        return self.logicalTypeOptions.minLength, longest

    @property
    def value_type(self) -> Any:
        """The type of a value, for pydantic: examples and requests are read by it.

        Nothing is guessed: text is not read as a number, true is not 1, a time says its zone.
        """
        bounds = self.logicalTypeOptions
        kind: Any
        if self.categories is not None:
            kind = Literal[tuple(self.categories)]
        elif self.logicalType == "string":
            low, high = self.lengths
            kind = Annotated[str, Field(strict=True, min_length=low, max_length=high, pattern=bounds.pattern)]
        elif self.logicalType in ("number", "integer"):
            least, most = self.limits
            number: Any = float if self.logicalType == "number" else int
            kind = Annotated[number, Field(strict=True, ge=least, le=most)]
        elif self.logicalType == "timestamp":
            kind = Annotated[AwareDatetime, Field(strict=True, ge=EARLIEST, le=LATEST)]
        else:
            kind = Annotated[bool, Field(strict=True)]
        return kind | None if self.nullable else kind

    @field_validator("tags")
    @classmethod
    def _possible(cls, tags: list[Role], info: ValidationInfo) -> list[Role]:
        kind = info.data.get("logicalType")
        faults = [
            f"the {role} cannot be a feature: it is not known when the question is asked"
            for role in (Role.TARGET, Role.LABEL_TIME)
            if role in tags and Role.FEATURE in tags
        ]
        if info.data.get("name") in OUTPUTS and Role.FEATURE in tags:
            faults.append(
                f"ONNX calls an output of the model `{info.data['name']}`: give the feature another name"
            )
        if kind == "timestamp" and Role.FEATURE in tags:
            faults.append("a timestamp cannot be a feature; give the model a number of it")
        faults += [
            f"the column with the tag `{role}` must be a timestamp"
            for role in (Role.TIME, Role.LABEL_TIME)
            if role in tags and kind not in ("timestamp", None)
        ]
        if Role.TARGET in tags and kind not in (*TASKS, None):
            faults.append(
                f"the target cannot be a {kind}: make it a boolean (classification), or a number or an integer (regression)"
            )
        if Role.PROTECTED in tags:
            faults += [
                f"the {role} cannot be protected: fairness is measured by what people are, not by the {role}"
                for role in NOBODYS
                if role in tags
            ]
            if kind == "timestamp":
                faults.append(
                    "a timestamp cannot be protected: it has no groups; give a number of it, with `bands`"
                )
        refuse(faults)
        return tags

    @field_validator("classification")
    @classmethod
    def _special_for_fairness_alone(cls, classification: str, info: ValidationInfo) -> str:
        """Special categories may be processed to find bias, under safeguards (AI Act, article 10(5)); here for nothing else."""
        tags = info.data.get("tags")
        if classification == "special" and tags is not None and tags != [Role.PROTECTED]:
            name = f"column {info.data.get('name')} is special-category data"
            others = " or ".join(tag for tag in tags if tag != Role.PROTECTED)
            raise ValueError(
                f"{name} and cannot be a {others}: tag it `protected` alone, or leave it out"
                if others
                else f"{name}, which may be held for fairness alone: tag it `protected`, or leave it out"
            )
        return classification

    @field_validator("logicalTypeOptions")
    @classmethod
    def _amount_has_a_range(cls, bounds: Range, info: ValidationInfo) -> Range:
        """Errors of an amount are judged as a share of its range (``tremplin.target``)."""
        amount = (
            Role.TARGET in info.data.get("tags", [])
            and TASKS.get(info.data.get("logicalType", "")) is Task.REGRESSION
        )
        if amount and (bounds.minimum is None or bounds.maximum is None or bounds.minimum == bounds.maximum):
            raise ValueError(
                f"the target {info.data.get('name')} is an amount: give it a `minimum` and a `maximum` that differ, since its "
                "errors are judged as a share of that range; clip it in source.py where it may be beyond"
            )
        return bounds

    @field_validator("enum")
    @classmethod
    def _of_strings(cls, enum: list[Category] | None, info: ValidationInfo) -> list[Category] | None:
        kind = info.data.get("logicalType", "string")
        if enum is not None and kind != "string":
            raise ValueError(f"`enum` is for strings, not {kind}")
        if enum == []:
            raise ValueError("no value is listed: list them, or leave `enum` out")
        return enum

    @field_validator("examples")
    @classmethod
    def _fit(cls, examples: list[Any], info: ValidationInfo) -> list[Any]:
        """Each example is a value that the server would accept; what is wrong names the example and its line."""
        if {"logicalType", "tags", "required", "logicalTypeOptions", "enum"} <= info.data.keys():
            kind = cls.model_construct(**info.data).value_type
            adapter = TypeAdapter[Any](list[kind], config=ConfigDict(allow_inf_nan=False))  # type: ignore[valid-type]
            adapter.validate_json(to_json(examples, inf_nan_mode="constants"))
        return examples

    @field_validator("customProperties")
    @classmethod
    def _purpose_and_bands(cls, properties: list[Property], info: ValidationInfo) -> list[Property]:
        classification, name = info.data.get("classification"), f"column {info.data.get('name')}"
        number = info.data.get("logicalType") in ("number", "integer")
        bands, faults = _custom(properties, "bands"), []
        if classification in ("personal", "special") and not _custom(properties, "purpose"):
            faults.append(f"{name} is {classification} and has no customProperty `purpose`")
        if bands is None and number and Role.PROTECTED in info.data.get("tags", []):
            faults.append(
                f"{name} is a number that fairness is measured by, and has no customProperty `bands`: write where one group "
                "ends and the next begins, such as '25, 40, 55'"
            )
        if bands is not None and not number:
            faults.append(f"{name} has `bands` and is no number")
        faults += _population_faults(properties, info.data.get("enum"), bands, name)
        refuse(faults)
        return properties


def _edges(bands: str) -> list[float]:
    return [float(edge) for edge in bands.split(",")]


def _custom(properties: list[Property], name: str) -> str | None:
    found = (item.value for item in properties if item.property == name)
    return next((value for value in found if isinstance(value, str)), None)


def _population_faults(
    properties: list[Property], enum: list[Category] | None, bands: str | None, name: str
) -> list[str]:
    """What is wrong with a declared population."""
    declared = next((item for item in properties if item.property == "population"), None)
    if declared is None or isinstance(declared.value, str):
        return []
    shares, faults = declared.value, []
    if not declared.description:
        faults.append(f"{name} declares a `population` without its source: write it in `description`")
    if abs(sum(shares.values()) - 1) > WHOLE or min(shares.values(), default=0) < 0:
        faults.append(f"{name}: the shares of its `population` add up to {sum(shares.values()):g}, not to 1")
    known = [category.value for category in enum] if enum else band_names(_edges(bands)) if bands else None
    strange = sorted(set(shares) - set(known)) if known else []
    if strange:
        faults.append(
            f"{name} has no group {', '.join(strange)}: its `population` names {', '.join(known or [])}"
        )
    return faults


def band_names(edges: list[float]) -> list[str]:
    """Names of the groups that ``edges`` cut a number into."""
    said = [f"{edge:g}" for edge in edges]
    between = [f"{low} to under {high}" for low, high in pairwise(said)]
    return [f"under {said[0]}", *between, f"{said[-1]} and over"]
