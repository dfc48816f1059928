"""The API's own description: OpenAPI made from the champion's contract, and a page for it that loads nothing from elsewhere."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from serving.answers import described
from serving.live_watch import State
from serving.request_model import MAX_ROWS, example

REFERENCE = "#/components/schemas/Row"


def openapi(app: FastAPI, state: State | None) -> dict[str, Any]:
    """The OpenAPI document; without a live release it says nothing of the rows."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    if state is None:
        return document
    contract = state.champion.contract
    document["info"]["title"] = f"{contract.name} ({state.champion.release.manifest.pilot})"
    document["info"]["description"] = contract.description.usage
    row = state.champion.row.json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Row"] = row
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
    return document


def add_docs_page(app: FastAPI) -> None:
    """``/docs``, with Swagger UI from the package fastapi-offline: FastAPI's own page would load it from a CDN."""
    spec = find_spec("fastapi_offline")  # only its files are used
    assert spec is not None
    assert spec.origin is not None
    app.mount("/docs/assets", StaticFiles(directory=Path(spec.origin).parent / "static"), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},  # or the page asks a service elsewhere
        )
