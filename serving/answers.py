"""What /predict answers to a row: a probability with its decision, or an amount in the unit of the contract."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tremplin.contract import Contract
from tremplin.service import ServiceSheet
from tremplin.target import Task

AMOUNT = "value"
NOTICE = "/notice"
CHALLENGER = "challenger"


class Prediction(BaseModel):
    """The answer to one row; what it says of the target depends on what is live."""

    prediction_id: str = Field(description="names this answer in the log; `tremplin trace` follows it")
    key: str = Field(description="the row's key")
    excluded: str | None = Field(
        description="why the release does not answer such a row: the group it was not proven on, or that a person stopped it; "
        "null where it answers"
    )
    release: str = Field(description="the release that answered")
    cohort: str = Field(
        description="champion or challenger: a subject stays in its cohort for a whole rollout; or stopped: the fallback rule of "
        "the charter answered"
    )
    out_of_range: list[str] = Field(description="features whose value is outside of what training saw")
    review: str | None = Field(description="why a person will look at this answer; null where nobody has to")
    ai_system: str = Field(description="the AI system that this answer comes from")
    notice: str = Field(description="where it says what it is for, who answers for it and how to object")


class Predictions(BaseModel):
    """The answers to many rows, in their order."""

    predictions: list[Prediction]


def said(score: float | None, threshold: float | None) -> dict[str, Any]:
    """What an answer says of the target; ``score`` is None where the row is excluded, ``threshold`` where it is an amount."""
    if threshold is None:
        return {AMOUNT: score}
    return {"score": score, "decision": None if score is None else score >= threshold}


def instead(sheet: ServiceSheet, threshold: float | None) -> dict[str, Any]:
    """What the fallback rule says of the target."""
    if threshold is None:
        return {AMOUNT: sheet.fallback.answer}
    return {"score": None, "decision": sheet.fallback.answer}


def reviewed(
    sheet: ServiceSheet, score: float | None, *, undecided: bool, out_of_range: list[str]
) -> str | None:
    """Why a person looks at an answer, as the charter's section ``service`` asks; None where nobody has to."""
    if undecided:
        return "neither the model nor a rule decides: a person does"
    if out_of_range and sheet.out_of_range == "person":
        return f"outside of what training saw: {', '.join(out_of_range)}"
    band = sheet.review_band
    if band is not None and score is not None and band[0] <= score <= band[1]:
        return f"the score lies within {band[0]:g} and {band[1]:g}, where a person decides"
    return None


def described(contract: Contract) -> dict[str, Any]:
    """The JSON schemas of what an answer says of the target, by field."""
    target, null = contract.column(contract.target), {"type": "null"}
    if contract.task is Task.CLASSIFICATION:
        return {
            "score": {
                "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, null],
                "description": f"probability of {target.name} ({target.description}); null where the row is excluded",
            },
            "decision": {
                "anyOf": [{"type": "boolean"}, null],
                "description": "whether the score reaches the release's threshold, or what the fallback rule says while the "
                "model is stopped; null where a person decides",
            },
        }
    scale, unit = contract.scale, {"unit": target.unit} if target.unit else {}
    return {
        AMOUNT: {
            "anyOf": [{"type": "number", "minimum": scale.low, "maximum": scale.high, **unit}, null],
            "title": target.name,
            "description": f"{target.description}{f' ({target.unit})' if target.unit else ''}, as predicted, within its range in "
            "the contract; null where a person decides",
        }
    }
