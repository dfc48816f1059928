"""What a person may know of what answers them (AI Act, articles 13, 26 (11) and 50; GDPR, articles 13 to 15 and 22)."""

from __future__ import annotations

from typing import Any

from serving.live_watch import State


def notice(state: State) -> dict[str, Any]:
    """The notice of the AI system that is live: what it is for, what it does not decide, and whom to turn to."""
    sheet, manifest = state.champion.sheet, state.champion.release.manifest
    band = sheet.review_band
    looked_at = ["rows of a group that the release was not proven on"]
    if sheet.out_of_range == "person":
        looked_at.append("rows with a value outside of what training saw")
    if band is not None:
        looked_at.append(f"scores within {band[0]:g} and {band[1]:g}")
    return {
        "ai_system": sheet.system,
        "this_is": "an answer of a machine-learning model, not of a person",
        "purposes": sheet.purposes,
        "decision": sheet.decision,
        "risk_class": sheet.risk_class,
        "personal_data": sheet.personal_data,
        "legal_basis": sheet.legal_basis,
        "retention_days": sheet.retention_days,
        "responsible": {"name": sheet.owner, "contact": sheet.contact},
        "a_person_looks_at": looked_at,
        "while_stopped": sheet.fallback.model_dump(),
        "stopped": state.live.stopped,
        "release": state.champion.id,
        "model_version": manifest.model_version,
        "approved_by": manifest.go_no_go.by,
        "contest": "Tell who is responsible the `prediction_id`: a person looks at it again, and writes what they decide "
        "(POST /reviews).",
    }
