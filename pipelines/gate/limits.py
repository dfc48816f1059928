"""What a check says where the contract sets no limit. Of a high-risk use it blocks then: what nobody limited is not judged."""

from __future__ import annotations

from tremplin.pilot import Pilot


def without_limit(what: str, pilot: Pilot) -> str:
    """In words; ``what`` is how the contract names the limit that is not there."""
    return f"the contract sets no limit for {what}" + (
        ", which a high-risk use must have" if pilot.high_risk else ""
    )
