"""What people add to the journal: incidents, arbitrations and lessons, signed, and without personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy.engine import Engine

from governance.identity import NotEnrolled, Signer, key_of, prove
from governance.rights import named
from tremplin import journal
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.journal import BY_MACHINE, Entry, Signatory
from tremplin.pilot import Pilot

Kind = Literal["incident", "arbitration", "lesson"]
MACHINES = (BY_MACHINE, "gate")
SIGNED = (
    "approval",
    "halt",
    "resumption",
    "stop",
    "restart",
    *get_args(Kind),
)  # kinds of entries that no machine writes
FOLLOWING = ("release", "go-live", "rollout")  # bear an approver's name: their approval is what is signed
TEXT_LIMIT = 2000  # characters; what is longer is a document, to be named by its place

# Ways in which a person outside the charter could be reached. Names cannot be told from words: the writer must.
PERSONAL = {
    "an e-mail address": re.compile(r"[^\s<>@,;]+@[^\s<>@,;]+\.\w+"),
    # International; national ones in groups, of France (06 12 34 56 78) and North America (212-555-0187).
    "a telephone number": re.compile(
        r"(?<![\w.])(?:(?:\+|00)[1-9](?:[ .()/-]{0,2}\d){7,13}|0[1-9](?:[ .-]?\d\d){4}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?![\w-])"
    ),
}


def add_note(engine: Engine, pilot: Pilot, kind: Kind, text: str, *, by: Signatory, as_of: datetime) -> Entry:
    """Write what a person of the charter, whichever their role, has to say; the same words of the same moment once.

    Raises:
        TremplinError: they are not in the charter; the text is empty, too long, or says how to reach somebody.
    """
    person, text = named(pilot, by.contact), plain(text)
    return journal.append(
        engine,
        kind,
        identity=digest({"text": text, "by": person.name, "as_of": as_of.timestamp()}),
        pilot=pilot.name,
        by=person.name,
        as_of=as_of,
        facts={"text": text, "role": person.role},
        signed_by=by,
    )


def unsigned(entries: list[Entry], signers: list[Signer]) -> list[str]:
    """Entries that are not what a person signed, one sentence each: signed wrongly, or not at all where only a person writes."""
    return [
        f"entry {entry.number} ({entry.kind}) is not {entry.by}'s: {error}"
        for entry, error in _unproven(entries, signers)
        if not isinstance(error, NotEnrolled)
    ]


def not_enrolled(entries: list[Entry], signers: list[Signer]) -> list[str]:
    """Entries as they were signed, by keys that the list does not know for a person: whose, and what to do, a paragraph each."""
    return [
        f"entry {entry.number} ({entry.kind}), in the name of {entry.by}: {error} If {entry.facts.get('contact')} says that the "
        f"key is theirs, write `{key_of(entry)}` to a file KEY.pub, and "
        f"`tremplin identity enrol --contact {entry.facts.get('contact')} --key KEY.pub`."
        for entry, error in _unproven(entries, signers)
        if isinstance(error, NotEnrolled)
    ]


def _unproven(entries: list[Entry], signers: list[Signer]) -> Iterator[tuple[Entry, TremplinError]]:
    approvals: dict[str, Entry] = {}  # by hash
    doubted: set[str] = (
        set()
    )  # hashes of approvals that are named themselves: what follows from them is their doing
    released: set[tuple[str, str, str]] = set()  # pilot, who approved it, name
    for entry in entries:
        if entry.kind == "release":
            covered = str(entry.facts.get("approval"))
            if covered not in doubted and not _follows(entry, approvals.get(covered)):
                yield (
                    entry,
                    TremplinError(
                        "it names no approval of theirs, of the same version, that stands before it"
                    ),
                )
            released.add(_released(entry))
        elif entry.kind in FOLLOWING and _released(entry) not in released:
            yield entry, TremplinError("it names no release of theirs that stands before it")
        machine = entry.kind in FOLLOWING or (entry.kind not in SIGNED and entry.by in MACHINES)
        if entry.kind == "approval":
            approvals[entry.hash] = entry
        if "signature" in entry.facts or not machine:
            try:
                prove(entry, signers)
            except TremplinError as error:
                if entry.kind == "approval":
                    doubted.add(entry.hash)
                yield entry, error


def _follows(release: Entry, approval: Entry | None) -> bool:
    """Whether a release is of the version that its approval covers, in the name of who gave it."""
    return approval is not None and (approval.pilot, approval.by, approval.facts.get("version")) == (
        release.pilot, release.by, release.facts.get("version"),
    )  # fmt: skip


def _released(entry: Entry) -> tuple[str, str, str]:
    return entry.pilot, entry.by, str(entry.facts.get("release"))


def plain(text: str) -> str:
    """The text without spaces around it, if an entry that nobody can erase may hold it.

    Raises:
        TremplinError: it is empty, too long, or says how to reach somebody; what was found is named.
    """
    text = text.strip()
    if not 0 < len(text) <= TEXT_LIMIT:
        raise TremplinError(
            f"A text for the journal has 1 to {TEXT_LIMIT} characters; this one has {len(text)}."
        )
    for what, pattern in PERSONAL.items():
        if found := pattern.search(text):
            raise TremplinError(
                f"The text holds {what} ({found[0].strip()}), and nothing can be erased from the journal. "
                "Name people by their role, and a case by its prediction id."
            )
    return text
