"""Approvals: a person known by their key answers for exact hashes, for a limited time, before anything is released."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Engine

from governance.rights import able_to, allowed, approval_days, known_commit
from tremplin import journal
from tremplin.canonical import digest
from tremplin.charter import Person
from tremplin.errors import TremplinError
from tremplin.journal import Entry, Signatory
from tremplin.pilot import Pilot


def approve(
    engine: Engine,
    pilot: Pilot,
    *,
    version: int,
    by: Signatory,
    authors: Collection[str],
    as_of: datetime,
    commit: str,
    lock_hash: str,
    verdict: dict[str, Any],
    verdict_hash: str,
    model_hash: str,
    charter_commit: str | None = None,
    stand_in: bool = False,
) -> Entry:
    """Write a person's signed approval of exactly these hashes in the journal. It holds for ``gate.approval_days``, and is
    given within as many days of the time of the data that was judged: what was known then may not hold any more.

    The same approval again, while the first one holds, is that one; after it expired it is a new one.

    Args:
        authors: contacts of those who changed the pilot since the last approved version, as far as git knows them.
        verdict: the gate's verdict as JSON's types; ``verdict_hash`` must be its.
        charter_commit: where the charter must let them as well, as far as git knows it; by default ``commit``. Another one is
            written down by its hash.
        stand_in: the demo's stand-in for a person, whom the charter in its workspace is enough for. It stays in the release for
            everybody to see.

    Raises:
        TremplinError: the person is not in the charter, may not approve or is an author (four eyes), here or as it was
            committed; the gate blocked the model, or it did not come out the same when it was last made again; a hash is of
            something else; ``as_of`` is before the verdict's, or too long after it.
    """
    charter = None if stand_in else charter_commit or commit
    person = allowed(pilot, by.contact, "approve", charter)
    days = approval_days(pilot, charter)
    _refuse_authors(person, authors, pilot)
    if digest(verdict) != verdict_hash:
        raise TremplinError("The verdict is not the one of its hash: it was changed. Run the gate again.")
    if verdict["pilot"] != pilot.name or verdict["model_hash"] != model_hash:
        raise TremplinError(
            f"The verdict is of the model {str(verdict['model_hash'])[:12]} of {verdict['pilot']}, not of {model_hash[:12]} of "
            f"{pilot.name}. Run the gate on the version that is to be approved."
        )
    judged = datetime.fromisoformat(verdict["as_of"]).astimezone(UTC)
    if as_of < judged:
        raise TremplinError(
            f"Version {version} of {pilot.name} was judged on data as of {judged:%Y-%m-%d %H:%M} UTC: an approval as of "
            f"{as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC would be older than what it covers. Approve as of then or later."
        )
    blocking = [check["id"] for check in verdict["checks"] if not check["passed"]]
    if blocking or not verdict["passed"]:
        raise TremplinError(
            f"Version {version} of {pilot.name} was blocked by the gate ({', '.join(blocking)}): nobody can approve it. "
            "Mend what it found, or change a limit in pilot.yaml with your reason, and run the gate again."
        )
    _refuse_what_did_not_come_again(engine, pilot.name, version)
    covers = {
        "version": version,
        "lock_hash": lock_hash,
        "verdict_hash": verdict_hash,
        "model_hash": model_hash,
    }
    given = {**covers, "by": person.name, "stand_in": stand_in}
    known = journal.entries(engine, pilot=pilot.name, kind="approval")
    same = [
        e for e in known if all({**e.facts, "by": e.by}.get(name) == said for name, said in given.items())
    ]
    before = sum(expired(entry, as_of) for entry in same)
    if before == len(same) and as_of >= judged + timedelta(days=days):
        raise TremplinError(
            f"Version {version} of {pilot.name} was judged on data as of {judged:%Y-%m-%d %H:%M} UTC, and a verdict is approved "
            f"within {days} days (gate.approval_days in pilot.yaml): what was known then may not hold as of "
            f"{as_of.astimezone(UTC):%Y-%m-%d}. Run the gate on newer data (`tremplin run --as-of`) and approve what comes of it."
        )
    found = known_commit(pilot, charter_commit) if charter_commit else None
    expires = as_of.astimezone(UTC) + timedelta(days=days)
    return journal.append(
        engine,
        "approval",
        identity=digest({**given, "expired_before": before}),
        pilot=pilot.name,
        by=person.name,
        as_of=as_of,
        facts={
            **covers,
            "commit": commit,
            "role": person.role,
            "expires": expires.isoformat(),
            "stand_in": stand_in,
            **({"charter_commit": found} if found else {}),
        },
        signed_by=by,
    )


def expired(approval: Entry, as_of: datetime) -> bool:
    """Whether an approval does not hold any more."""
    return as_of >= datetime.fromisoformat(approval.facts["expires"])


def _refuse_what_did_not_come_again(engine: Engine, pilot: str, version: int) -> None:
    """The newest answer of `tremplin reproduce` counts: whoever doubts a model stops it until it comes again."""
    asked = [
        e for e in journal.entries(engine, pilot=pilot, kind="reproduction") if e.facts["version"] == version
    ]
    if asked and not asked[-1].facts["same"]:
        raise TremplinError(
            f"Version {version} of {pilot} did not come out the same when it was made again on {asked[-1].as_of:%Y-%m-%d}: "
            f"{', '.join(asked[-1].facts['differing'])}. Find out why, and show that it comes again: "
            f"`tremplin reproduce {version}`."
        )


def _refuse_authors(person: Person, authors: Collection[str], pilot: Pilot) -> None:
    if person.contact.casefold() in {author.casefold() for author in authors}:
        raise TremplinError(
            f"{person.name} changed {pilot.name} since its last approved version, says git, and cannot approve their own "
            f"work. Who may approve: {able_to(pilot.charter.people, 'approve')}."
        )
