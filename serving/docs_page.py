"""``/docs``: the API's description for people, under a policy that lets the page run nothing but files of this server."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.params import Depends
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

# FastAPI's own page starts with a script that stands in it, which such a policy forbids, and loads the rest from a CDN.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/assets/favicon.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
# Without validatorUrl the page would ask a service elsewhere.
START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def add_docs_page(app: FastAPI, known: Sequence[Depends] = ()) -> None:
    """Serve the page, with Swagger UI from the package fastapi-offline; ``known`` lets in who may read it."""
    spec = find_spec("fastapi_offline")  # only its files are used
    assert spec is not None
    assert spec.origin is not None
    app.mount("/docs/assets", StaticFiles(directory=Path(spec.origin).parent / "static"), name="docs-assets")
    page = PAGE.format(title=escape(app.title))

    @app.get("/docs", include_in_schema=False, dependencies=known)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(START, media_type="text/javascript")
