"""Phase 1 of CRISP-ML(Q), business understanding: the charter, the first section of ``pilot.yaml``.

Requirement: the problem, its owner, who decides, what success is and what an error costs are written before a model is.
Risk: a model that is good at a question nobody asked, or that nobody may answer for.
Quality method: strict loading; a prohibited use, a role without a person, or a threshold that contradicts the costs is refused.

What an error costs depends on what is predicted: a wrong yes or no (``ClassificationCharter``), or an amount that is too high or
too low (``RegressionCharter``). Which of the two is written shows in ``costs``; the contract must agree.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from tremplin.strict import Strict, refuse
from tremplin.target import Floats, Task

Text = Annotated[str, Field(min_length=3)]
Positive = Annotated[float, Field(gt=0)]
Permission = Literal["author", "approve", "halt"]
FairnessMeasure = Literal[
    "selection_rate", "true_positive_rate", "false_positive_rate", "mean_answer", "calibration"
]

# Rates of decisions need a decision. Of amounts what can be compared is how high they are (statistical parity of the mean) and
# whether they hold (Agarwal, Dudik and Wu 2019, "Fair regression", ICML).
FAIRNESS_MEASURES: dict[Task, tuple[FairnessMeasure, ...]] = {
    Task.CLASSIFICATION: ("selection_rate", "true_positive_rate", "false_positive_rate", "calibration"),
    Task.REGRESSION: ("mean_answer", "calibration"),
}


# Without what OpenSSH's lists of signers read as a pattern or a comment: keys are enrolled by it.
E_MAIL = re.compile(r"[^\s@<>,;\"*?!#]+@(?:[\w-]+\.)+[\w-]{2,}")
# An e-mail address, a telephone number (ITU-T E.164: at most 15 digits) or a page.
REACHED_AT = re.compile(
    rf"{E_MAIL.pattern}|" r"\+?\(?\d(?:[ .()/-]{0,2}\d){5,14}|https?://[\w.-]+(?::\d+)?(?:/\S*)?"
)


class Person(Strict):
    """Somebody named in the charter, and what their role lets them do."""

    name: Text
    role: Text
    contact: Text
    may: Annotated[list[Permission], Field(min_length=1)]

    @field_validator("contact")
    @classmethod
    def _reachable(cls, contact: str) -> str:
        if not REACHED_AT.fullmatch(contact):
            raise ValueError(
                f"{contact!r} is neither an e-mail address, nor a telephone number, nor an address of a page (https://…)"
            )
        return contact


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


class DecisionCosts(Strict):
    """What each wrong decision costs, in ``currency``."""

    currency: Text
    false_alarm: Positive
    missed: Positive


class AmountCosts(Strict):
    """What each unit of the target costs, in ``currency``, by which an answer is over or under the truth."""

    currency: Text
    over: Positive
    under: Positive


class AiAct(Strict):
    """The use's class under Regulation (EU) 2024/1689."""

    risk_class: Literal["minimal", "limited", "high", "prohibited"]
    rationale: Text

    @field_validator("risk_class")
    @classmethod
    def _allowed(cls, risk_class: str) -> str:
        if risk_class == "prohibited":
            raise ValueError("a prohibited use (AI Act, article 5) cannot be built or served")
        return risk_class


class Gdpr(Strict):
    """Purpose limitation and retention (GDPR, articles 5 and 6)."""

    personal_data: bool
    legal_basis: Text
    purposes: Annotated[list[Text], Field(min_length=1)]
    retention_days: Annotated[int, Field(gt=0)]


class FairnessChoice(Strict):
    """Which measures of fairness are limited. They cannot all be equal where groups differ, so somebody must choose."""

    limited: Annotated[list[FairnessMeasure], Field(min_length=1)]
    reason: Text
    unlimited: Annotated[
        dict[str, Text], Field(default_factory=dict)
    ]  # protected columns by which nothing is limited, and why not


class Charter(Strict):
    """What the pilot is for and who answers for it."""

    title: Text
    problem: Text
    decision: Text
    owner: Text
    people: Annotated[list[Person], Field(min_length=1)]
    kpi: Kpi
    success: Success
    ai_act: AiAct
    gdpr: Gdpr
    fairness: FairnessChoice | None = None  # None where no column is `protected`
    # Why no column can be, of a high-risk use of personal data: without it, or a protected column, the gate blocks.
    unprotected_because: Text | None = None

    def person(self, name: str) -> Person | None:
        """The person of that name, or None."""
        return next((person for person in self.people if person.name == name), None)

    @field_validator("people")
    @classmethod
    def _who_decides(cls, people: list[Person], info: ValidationInfo) -> list[Person]:
        faults = [
            f"nobody in `people` may `{permission}`"
            for permission in ("author", "approve")
            if not any(permission in person.may for person in people)
        ]
        approvers = [person for person in people if "approve" in person.may]
        if approvers and all("author" in person.may for person in approvers):
            faults.append("everybody who may approve is also an author, and nobody approves their own model")
        faults += [
            f"{person.name} may {' and '.join(signs)}, which is signed with the key of an e-mail address, and "
            f"`contact` is {person.contact!r}"
            for person in people
            if (signs := [p for p in person.may if p != "author"]) and not E_MAIL.fullmatch(person.contact)
        ]
        faults += _shared_addresses(people)
        names = [person.name for person in people]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            faults.append(f"named twice in `people`: {', '.join(twice)}")
        owner = info.data.get("owner")
        if owner is not None and owner not in names:
            faults.append(f"the owner {owner!r} is not among `people`")
        refuse(faults)
        return people


def _shared_addresses(people: list[Person]) -> list[str]:
    """An address says whose key it is, and so who it was: each is one person's."""
    holders: dict[str, list[str]] = {}
    for person in people:
        if E_MAIL.fullmatch(person.contact):
            holders.setdefault(person.contact.casefold(), []).append(person.name)
    return [
        f"{' and '.join(names)} have one `contact`, {address}: an address is one person's, for it says whose key it is"
        for address, names in holders.items()
        if len(names) > 1
    ]


class ClassificationCharter(Charter):
    """The charter of a pilot that predicts yes or no."""

    costs: DecisionCosts
    decision_threshold: Annotated[float, Field(gt=0, lt=1)]

    @property
    def task(self) -> Task:
        """What is predicted."""
        return Task.CLASSIFICATION

    def decisions(self, answers: Floats) -> NDArray[np.bool_]:
        """Which probabilities make a yes; of the same shape."""
        return np.asarray(answers >= self.decision_threshold, dtype=np.bool_)

    def cost(self, answers: Floats, labels: Floats) -> Floats:
        """What each decision cost, shape (n,), of probabilities and labels 0 or 1."""
        flagged = self.decisions(answers)
        return np.where(flagged, self.costs.false_alarm * (1 - labels), self.costs.missed * labels)

    @field_validator("decision_threshold")
    @classmethod
    def _cheapest(cls, threshold: float, info: ValidationInfo) -> float:
        costs: DecisionCosts | None = info.data.get("costs")
        if costs is None:
            return threshold
        best = costs.false_alarm / (costs.false_alarm + costs.missed)
        # Elkan (2001), "The foundations of cost-sensitive learning": the threshold that minimises expected cost.
        if abs(best - threshold) > 0.05:
            raise ValueError(
                f"decision_threshold {threshold} contradicts the costs: a false alarm at "
                f"{costs.false_alarm:g} and a miss at {costs.missed:g} make {best:.2f} the cheapest threshold"
            )
        return threshold


class RegressionCharter(Charter):
    """The charter of a pilot that predicts an amount."""

    costs: AmountCosts
    decision_threshold: None  # an amount is no decision; the key is there, for DVC follows it in every pilot

    @field_validator("decision_threshold", mode="before")
    @classmethod
    def _none(cls, threshold: Any) -> None:
        if threshold is not None:
            raise ValueError(f"an amount is no decision: write null instead of {threshold}")

    @property
    def task(self) -> Task:
        """What is predicted."""
        return Task.REGRESSION

    def decisions(self, answers: Floats) -> None:
        """An amount is no decision."""
        return

    def cost(self, answers: Floats, labels: Floats) -> Floats:
        """What each error cost, shape (n,), of amounts in the target's unit."""
        over = answers - labels
        return np.where(over > 0, self.costs.over * over, -self.costs.under * over)


def _of_its_task(content: Any) -> Any:
    """The charter that its costs speak of; read here, so that each fault has the place it has in the file."""
    costs = content.get("costs") if isinstance(content, dict) else None
    amounts = isinstance(costs, dict) and {"over", "under"} & costs.keys()
    return (RegressionCharter if amounts else ClassificationCharter).model_validate(content)


AnyCharter = Annotated[ClassificationCharter | RegressionCharter, BeforeValidator(_of_its_task)]
