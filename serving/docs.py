"""The API's own description: OpenAPI made from the champion's contract."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from serving.answers import Predictions, described
from serving.feedback.describing import describe as describe_feedback
from serving.inference_protocol.describing import describe as describe_protocol
from serving.live_watch import State
from serving.request_model import MAX_ROWS, example

TEMPLATE = "#/components/schemas/{model}"
REFERENCE = "#/components/schemas/Row"
REFUSALS = {
    "400": "The body is not JSON, or several credentials were sent",
    "401": "Nobody who is known here asks",
    "403": "Who asks may not",
    "413": "The body is too long",
    "415": "The body is not said to be application/json",
    "422": "A row does not fit the contract: `errors` names row, field, what was got and what is expected",
    "429": "Too many rows for now; Retry-After says when to go on",
    "500": "The server failed; `instance` is the request's id in its log",
    "503": "No release is live, or the answer cannot be logged",
}
# Either will do; `tremplin key new` makes a key, the issuer of TREMPLIN_OIDC_ISSUER a token.
SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the issuer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
}
PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
ASKS: dict[int | str, dict[str, Any]] = {401: {"description": REFUSALS["401"], **PROBLEM}}  # who is asking
ASKED = {
    "400": "Several credentials were sent",
    "403": "Who asks may not",
    "429": "Too many requests for now; Retry-After says when to go on",
}


def openapi(app: FastAPI, state: State | None) -> dict[str, Any]:
    """The OpenAPI document; without a live release it says nothing of the rows."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    document["paths"] = {"/predict": {"post": _predict()}, **document["paths"]}
    schemas |= models_json_schema([(Predictions, "serialization")], ref_template=TEMPLATE)[1]["$defs"]
    describe_protocol(document)
    _describe_access(document)
    if state is None:
        return document
    contract = state.champion.contract
    document["info"]["title"] = f"{contract.name} ({state.champion.release.manifest.pilot})"
    document["info"]["description"] = contract.description.usage
    schemas["Row"] = state.champion.row.json_schema(ref_template=TEMPLATE)
    answer, more = schemas["Prediction"], described(contract)
    answer["properties"] |= more
    answer["required"] += list(more)
    many = {"type": "array", "items": {"$ref": REFERENCE}, "minItems": 1, "maxItems": MAX_ROWS}
    rows = {
        "type": "object",
        "properties": {"rows": many},
        "required": ["rows"],
        "additionalProperties": False,
    }
    one = example(contract)
    document["paths"]["/predict"]["post"]["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [{"$ref": REFERENCE}, rows]},
                "examples": {"one row": {"value": one}, "many rows": {"value": {"rows": [one]}}},
            }
        },
    }
    describe_feedback(document, contract)
    return document


def _describe_access(document: dict[str, Any]) -> None:
    """How to say who asks, at each operation that answers 401 to who does not, and what else it may be told then."""
    document["components"]["securitySchemes"] = SCHEMES
    for operations in document["paths"].values():
        for operation in operations.values():
            if "401" in operation["responses"]:
                operation["security"] = [{name: []} for name in SCHEMES]
                content = operation["responses"]["401"]["content"]
                told = {
                    status: {"description": reason, "content": content} for status, reason in ASKED.items()
                }
                operation["responses"] = told | operation["responses"]


def _predict() -> dict[str, Any]:
    """The operation that ``serving.predict_route`` answers: no route of the framework's that it could describe by itself."""
    answers = [{"$ref": f"#/components/schemas/{name}"} for name in ("Prediction", "Predictions")]
    return {
        "summary": "Score one row, or many",
        "description": "Every answer is logged before it is sent. A fault names its row, its field, what was got and what is "
        "expected.",
        "operationId": "predict",
        "responses": {
            "200": {
                "description": "The answer to one row, or to each of many",
                "content": {"application/json": {"schema": {"anyOf": answers}}},
            },
            **{status: {"description": reason, **PROBLEM} for status, reason in REFUSALS.items()},
        },
    }
