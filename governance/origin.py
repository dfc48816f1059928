"""Where the rows of a snapshot came from, in a sentence."""

from __future__ import annotations

from typing import Any


def origin_of(facts: dict[str, Any]) -> str:
    """From ``snapshot.json``: rows, window, sources with the hash of what each delivered.

    Raises:
        KeyError: the facts are those of no snapshot.
    """
    sources = ", ".join(
        f"{origin['address']} (SHA-256 {origin['sha256'][:12]})" for origin in facts["origins"]
    )
    return (
        f"{facts['rows']:,} rows from {facts['start'][:10]} to {facts['end'][:10]}, read from "
        f"{sources or 'a source that notes no origin'}"
    )
