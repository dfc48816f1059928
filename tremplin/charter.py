"""Phase 1 of CRISP-ML(Q), business understanding: the charter, the first section of ``pilot.yaml``.

Requirement: the problem, its owner, who decides, what success is and what an error costs are written before a model is.
Risk: a model that is good at a question nobody asked, or that nobody may answer for.
Quality method: strict loading; a prohibited use, a role without a person, or a threshold that contradicts the costs is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tremplin.contract import Strict

Text = Annotated[str, Field(min_length=3)]
Positive = Annotated[float, Field(gt=0)]
Permission = Literal["author", "approve", "halt"]


class Person(Strict):
    """Somebody named in the charter, and what their role lets them do."""

    name: Text
    role: Text
    contact: Text
    may: Annotated[list[Permission], Field(min_length=1)]


class Kpi(Strict):
    """The business's own measure of success."""

    name: Text
    formula: Text
    unit: Text
    baseline: float
    target: float


class Success(Strict):
    """Criteria of the three kinds that CRISP-ML(Q) asks for."""

    business: Annotated[list[Text], Field(min_length=1)]
    ml: Annotated[list[Text], Field(min_length=1)]
    economic: Annotated[list[Text], Field(min_length=1)]


class Costs(Strict):
    """What each error costs, in ``currency``."""

    currency: Text
    false_alarm: Positive
    missed: Positive


class AiAct(Strict):
    """The use's class under Regulation (EU) 2024/1689."""

    risk_class: Literal["minimal", "limited", "high", "prohibited"]
    rationale: Text

    @model_validator(mode="after")
    def _allowed(self) -> Self:
        if self.risk_class == "prohibited":
            raise ValueError("a prohibited use (AI Act, article 5) cannot be built or served")
        return self


class Gdpr(Strict):
    """Purpose limitation and retention (GDPR, articles 5 and 6)."""

    personal_data: bool
    legal_basis: Text
    purposes: Annotated[list[Text], Field(min_length=1)]
    retention_days: Annotated[int, Field(gt=0)]


class Charter(Strict):
    """What the pilot is for and who answers for it."""

    title: Text
    problem: Text
    decision: Text
    owner: Text
    people: Annotated[list[Person], Field(min_length=1)]
    kpi: Kpi
    success: Success
    costs: Costs
    decision_threshold: Annotated[float, Field(gt=0, lt=1)]
    ai_act: AiAct
    gdpr: Gdpr

    def person(self, name: str) -> Person | None:
        """The person of that name, or None."""
        return next((person for person in self.people if person.name == name), None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.person(self.owner) is None:
            raise ValueError(f"the owner {self.owner!r} is not among `people`")
        for permission in ("author", "approve"):
            if not any(permission in person.may for person in self.people):
                raise ValueError(f"nobody in `people` may `{permission}`")
        if not any("approve" in person.may and "author" not in person.may for person in self.people):
            raise ValueError(
                "everybody who may approve is also an author, and nobody approves their own model"
            )
        twice = sorted({p.name for p in self.people if [q.name for q in self.people].count(p.name) > 1})
        if twice:
            raise ValueError(f"named twice in `people`: {', '.join(twice)}")
        best = self.costs.false_alarm / (self.costs.false_alarm + self.costs.missed)
        # Elkan (2001), "The foundations of cost-sensitive learning": the threshold that minimises expected cost.
        if abs(best - self.decision_threshold) > 0.05:
            raise ValueError(
                f"decision_threshold {self.decision_threshold} contradicts the costs: a false alarm at "
                f"{self.costs.false_alarm:g} and a miss at {self.costs.missed:g} make {best:.2f} the cheapest threshold"
            )
        return self
