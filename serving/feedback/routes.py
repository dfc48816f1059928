"""The routes of what comes back of an answer."""

from __future__ import annotations

from fastapi import FastAPI

from serving.feedback.lookup_routes import lookup_routes
from serving.feedback.parts import Parts
from serving.feedback.sending_routes import sending_routes
from serving.feedback.store_door import StoreDoor


def add_feedback_routes(app: FastAPI, parts: Parts) -> StoreDoor:
    """Add them; what is given back is closed with the application."""
    door = StoreDoor(parts.settings)
    app.include_router(sending_routes(parts, door))
    app.include_router(lookup_routes(parts, door))
    return door
