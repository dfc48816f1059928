"""How many were let in and how many not, by kind of identity and reason; never by identity."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from serving.access.roles import Kind


class Counts:
    """``tremplin_access_total{kind, result}``; a result is ``admitted`` or why not."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "tremplin_access",
            "Requests let in or not, by kind of identity",
            ["kind", "result"],
            registry=registry,
        )
        self._children: dict[tuple[Kind, str], Counter] = {}

    def add(self, kind: Kind, result: str) -> None:
        """Count one; looking its labels up each time would cost more than admitting."""
        child = self._children.get((kind, result))
        if child is None:
            child = self._children[kind, result] = self._counter.labels(kind, result)
        child.inc()
