"""What the routes of this package take and give, in OpenAPI: the framework cannot see what is read from bytes."""

from __future__ import annotations

from typing import Any

from serving.feedback.lookup_routes import MAX_EXPLAINED
from serving.feedback.outcomes import OutcomeReader
from serving.feedback.reviews import ReviewReader
from serving.request_model import MAX_ROWS, example
from tremplin.contract import Contract

SCHEMAS = "#/components/schemas/"


def describe(document: dict[str, Any], contract: Contract) -> None:
    """Add them to a document that has the schemas ``Row``, ``Prediction`` and ``Explanation``."""
    schemas, paths = document["components"]["schemas"], document["paths"]
    schemas["OutcomeSent"] = OutcomeReader(contract).one.json_schema()
    schemas["ReviewSent"] = ReviewReader(contract).one.json_schema()
    reasons = {
        "anyOf": [{"$ref": f"{SCHEMAS}Explanation"}, {"type": "null"}],
        "description": "null where nothing was answered",
    }
    schemas["ExplainedPrediction"] = {
        "allOf": [
            {"$ref": f"{SCHEMAS}Prediction"},
            {"type": "object", "properties": {"explanation": reasons}, "required": ["explanation"]},
        ]
    }
    one = example(contract)
    label = contract.column(contract.target).examples[0]
    told = {"key": one[contract.key], "label": label, "known_at": "2026-01-01T00:00:00Z"}
    _takes(paths["/outcomes"]["post"], "OutcomeSent", told, many="outcomes", most=MAX_ROWS)
    review = {"prediction_id": "0" * 32, "decision": "confirm", "by": "A. Person", "rating": 4}
    _takes(paths["/reviews"]["post"], "ReviewSent", review)
    _takes(paths["/explain"]["post"], "Row", one, many="rows", most=MAX_EXPLAINED)
    explained = {"$ref": f"{SCHEMAS}ExplainedPrediction"}
    several = _object("predictions", {"type": "array", "items": explained})
    paths["/explain"]["post"]["responses"]["200"]["content"] = _json({"anyOf": [explained, several]})


def _takes(
    operation: dict[str, Any], schema: str, one: dict[str, Any], many: str = "", most: int = 1
) -> None:
    item = {"$ref": f"{SCHEMAS}{schema}"}
    body = _json(item)
    if many:
        listed = {"type": "array", "items": item, "minItems": 1, "maxItems": most}
        body = _json({"anyOf": [item, _object(many, listed)]})
    examples = {"one": {"value": one}} | ({"many": {"value": {many: [one]}}} if many else {})
    body["application/json"]["examples"] = examples
    operation["requestBody"] = {"required": True, "content": body}


def _object(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
