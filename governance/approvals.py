"""Approvals: a person named in the charter answers for exact hashes, before anything is released."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.canonical import digest
from tremplin.charter import Charter, Person
from tremplin.errors import TremplinError
from tremplin.journal import Entry
from tremplin.pilot import Pilot


def approve(
    engine: Engine,
    pilot: Pilot,
    *,
    version: int,
    by: str,
    as_of: datetime,
    lock_hash: str,
    verdict: dict[str, Any],
    verdict_hash: str,
    model_hash: str,
    stand_in: bool = False,
) -> Entry:
    """Write ``by``'s approval of exactly these hashes in the journal; the same approval twice is written once.

    Args:
        verdict: the gate's verdict as JSON's types; ``verdict_hash`` must be its.
        stand_in: the demo's stand-in for a person. It stays in the release for everybody to see.

    Raises:
        TremplinError: the person is not in the charter, may not approve or is an author (four eyes); the gate blocked the
            model; a hash is of something else.
    """
    person = _approver(pilot.charter, by, pilot.name)
    if digest(verdict) != verdict_hash:
        raise TremplinError("The verdict is not the one of its hash: it was changed. Run the gate again.")
    if verdict["pilot"] != pilot.name or verdict["model_hash"] != model_hash:
        raise TremplinError(
            f"The verdict is of the model {str(verdict['model_hash'])[:12]} of {verdict['pilot']}, not of {model_hash[:12]} of "
            f"{pilot.name}. Run the gate on the version that is to be approved."
        )
    blocking = [check["id"] for check in verdict["checks"] if not check["passed"]]
    if blocking or not verdict["passed"]:
        raise TremplinError(
            f"Version {version} of {pilot.name} was blocked by the gate ({', '.join(blocking)}): nobody can approve it. "
            "Mend what it found, or change a limit in pilot.yaml with your reason, and run the gate again."
        )
    covers = {
        "version": version,
        "lock_hash": lock_hash,
        "verdict_hash": verdict_hash,
        "model_hash": model_hash,
    }
    return journal.append(
        engine,
        "approval",
        identity=digest({**covers, "by": by, "stand_in": stand_in}),
        pilot=pilot.name,
        by=by,
        as_of=as_of,
        facts={**covers, "role": person.role, "stand_in": stand_in},
    )


def _approver(charter: Charter, by: str, pilot: str) -> Person:
    person = charter.person(by)
    able = (
        ", ".join(p.name for p in charter.people if "approve" in p.may and "author" not in p.may) or "nobody"
    )
    if person is None:
        raise TremplinError(f"{by!r} is not in the charter of {pilot}. Who may approve: {able}.")
    if "author" in person.may:
        raise TremplinError(
            f"{by} is an author of {pilot} and cannot approve their own model. Who may approve: {able}."
        )
    if "approve" not in person.may:
        raise TremplinError(f"{by} ({person.role}) may not approve. Who may approve: {able}.")
    return person
