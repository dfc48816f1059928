"""The protocol's bodies in OpenAPI; what its tensors are, the model's metadata says."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from serving.inference_protocol.request import READER
from serving.inference_protocol.response_model import InferenceResponse, ModelMetadata, ServerMetadata

TEMPLATE = "#/components/schemas/{model}"
BINARY = {"schema": {"type": "string", "format": "binary"}}
LENGTH = "Inference-Header-Content-Length"
WHERE = "bytes of JSON, after which the binary tensors follow in the order in which the JSON names them"


def describe(document: dict[str, Any]) -> None:
    """Add them."""
    schemas = document["components"]["schemas"]
    models: list[tuple[Any, Any]] = [
        (one, "serialization") for one in (InferenceResponse, ModelMetadata, ServerMetadata)
    ]
    schemas |= models_json_schema(models, ref_template=TEMPLATE)[1]["$defs"]
    request = READER.json_schema(ref_template=TEMPLATE)
    schemas |= request.pop("$defs")
    schemas["InferenceRequest"] = request
    for path, operations in document["paths"].items():
        if path.startswith("/v2") and path.endswith("/infer"):
            _infer(operations["post"])
        elif path == "/v2":
            _answers(operations["get"], "ServerMetadata")
        elif path.startswith("/v2/models/") and not path.endswith("/ready"):
            _answers(operations["get"], "ModelMetadata")


def _infer(operation: dict[str, Any]) -> None:
    whole = {"application/json": {"schema": {"$ref": TEMPLATE.format(model="InferenceRequest")}}}
    operation["requestBody"] = {"required": True, "content": whole | {"application/octet-stream": BINARY}}
    header = {
        "name": LENGTH,
        "in": "header",
        "required": False,
        "schema": {"type": "integer"},
        "description": WHERE,
    }
    operation.setdefault("parameters", []).append(header)
    _answers(operation, "InferenceResponse")
    answer = operation["responses"]["200"]
    answer["content"]["application/octet-stream"] = BINARY
    answer["headers"] = {LENGTH: {"schema": {"type": "integer"}, "description": WHERE}}


def _answers(operation: dict[str, Any], schema: str) -> None:
    content = {"application/json": {"schema": {"$ref": TEMPLATE.format(model=schema)}}}
    operation["responses"]["200"]["content"] = content
