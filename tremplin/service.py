"""How a model is put at the service of people: what the charter decides of its answers, and what a caller is told of it.

The charter's part (``pilot.yaml: service``) goes out with each release, as ``service.json``: a server knows nothing else of the
charter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from tremplin.strict import Strict

if TYPE_CHECKING:
    from tremplin.charter import Charter

SERVICE = "service.json"  # in a release

Policy = Literal["answer", "warn", "person"]


class Fallback(Strict):
    """The rule that answers instead of a model that was stopped."""

    answer: bool | float | None = (
        None  # a decision of yes or no, an amount in the target's unit; None: a person decides
    )
    reason: str = "nothing was decided for a model that is stopped, so a person decides"


class Guard(Strict):
    """When each server by itself halts a challenger."""

    minimum_rows: Annotated[int, Field(gt=0, le=2000)] = 500  # of the challenger's, before it is looked at
    failed_share: Annotated[float, Field(ge=0, lt=1)] = 0.01  # of its rows that it has no answer for
    latency_ms: Annotated[float, Field(gt=0)] = 50.0  # of a row, for 95 % of them
    score_shift: Annotated[float, Field(gt=0, le=1)] = (
        0.2  # mean distance to the champion on the same rows, unit interval
    )


class Service(Strict):
    """Section ``service`` of ``pilot.yaml``: what is answered where the model alone should not decide."""

    fallback: Fallback = Field(default_factory=Fallback)
    review_band: tuple[float, float] | None = (
        None  # scores, ends included, for which a person looks at the answer
    )
    out_of_range: Policy = (
        "warn"  # rows with a value that training never came near: named in the answer, or sent to a person
    )
    guard: Guard = Field(default_factory=Guard)
    unlogged: bool = False  # whether it goes on answering when an answer cannot be logged; they are counted

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.review_band is not None and not self.review_band[0] < self.review_band[1]:
            raise ValueError(f"review_band {list(self.review_band)}: write the lower score first")
        return self


class ServiceSheet(Service):
    """``service.json``: the section, and what a caller is told of the AI system (AI Act, articles 13, 26 and 50)."""

    system: str = "an AI system"
    decision: str = ""
    owner: str = ""
    contact: str = ""
    risk_class: Annotated[str, Field(max_length=20)] = ""
    purposes: list[str] = Field(default_factory=list)
    legal_basis: str = ""
    personal_data: bool = False
    retention_days: int | None = None


def sheet(charter: Charter, service: Service) -> ServiceSheet:
    """What a release carries of the charter."""
    owner = charter.person(charter.owner)
    assert owner is not None
    return ServiceSheet(
        **service.model_dump(),
        system=charter.title,
        decision=" ".join(charter.decision.split()),
        owner=owner.name,
        contact=owner.contact,
        risk_class=charter.ai_act.risk_class,
        purposes=charter.gdpr.purposes,
        legal_basis=" ".join(charter.gdpr.legal_basis.split()),
        personal_data=charter.gdpr.personal_data,
        retention_days=charter.gdpr.retention_days,
    )
