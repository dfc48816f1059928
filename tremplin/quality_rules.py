"""What the contract asks of rows together, as ODCS writes it in ``quality``: a limit, its unit, and the reason for it.

Of a column, the library's metric ``nullValues`` in percent. Of the table, rules of the engine ``tremplin``, which ODCS knows
none for. Source: Open Data Contract Standard 3.1, "Data quality".
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from tremplin.strict import Strict

WHOLE = 0.005  # the shares of a population add up to one within this: they are written with three digits

Percent = Annotated[float, Field(ge=0, le=100)]
Reason = Annotated[str, Field(min_length=10)]


class NullValues(Strict):
    """How many values of a column are missing: in a delivery, and at each site in each week of it."""

    type: Literal["library"] = "library"
    metric: Literal["nullValues"]
    mustBeLessThan: Percent | None = None
    mustBeBetween: tuple[Percent, Percent] | None = (
        None  # both included; fewer than the first: something fills them in
    )
    unit: Literal["percent"]
    dimension: Literal["completeness"] = "completeness"
    description: Reason

    @model_validator(mode="after")
    def _one_limit(self) -> NullValues:
        if (self.mustBeLessThan is None) == (self.mustBeBetween is None):
            raise ValueError("write one of `mustBeLessThan` and `mustBeBetween`")
        if self.mustBeBetween is not None and self.mustBeBetween[0] >= self.mustBeBetween[1]:
            raise ValueError(f"`mustBeBetween` {list(self.mustBeBetween)} must grow")
        return self

    def keeps(self, share: float) -> bool:
        """Whether a share of missing values, from 0 to 1, is what was agreed."""
        if self.mustBeBetween is not None:
            low, high = self.mustBeBetween
            return low <= 100 * share <= high
        assert self.mustBeLessThan is not None
        return 100 * share < self.mustBeLessThan

    def __str__(self) -> str:
        if self.mustBeBetween is not None:
            return "{:g} % to {:g} %".format(*self.mustBeBetween)
        return f"less than {self.mustBeLessThan:g} %"


class Outliers(Strict):
    """Rows that are not credible beside the others."""

    check: Literal["outliers"]
    mustBeLessThan: Percent


class Representativeness(Strict):
    """How far the rows are from the declared population: the population stability index (PSI) of a column."""

    check: Literal["representativeness"]
    mustBeLessThan: Annotated[float, Field(gt=0)]


class SubPopulations(Strict):
    """The share of the declared population that lives in groups the training rows do not cover."""

    check: Literal["subPopulations"]
    mustBeLessThan: Percent
    minimumRows: Annotated[int, Field(gt=0)]  # of training, in a group


Implementation = Annotated[Outliers | Representativeness | SubPopulations, Field(discriminator="check")]


def rule_name(kind: type[Outliers | Representativeness | SubPopulations]) -> str:
    """What a rule of the table is called in its ``check``."""
    (name,) = get_args(kind.model_fields["check"].annotation)
    return str(name)


class TableRule(Strict):
    """A rule of the table."""

    type: Literal["custom"]
    engine: Literal["tremplin"]
    implementation: Implementation
    unit: Literal["percent", "index"]
    dimension: Literal["accuracy", "coverage"]
    description: Reason


class Population(Strict):
    """Whom or what the model will serve, by group of a column."""

    shares: dict[str, float]
    source: str
