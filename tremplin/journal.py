"""The journal: what was decided, by whom, on which evidence. Append-only; each entry holds the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection, Engine

from tremplin.canonical import canonical
from tremplin.errors import TremplinError
from tremplin.store import journal

FIRST = "0" * 64  # what the first entry follows
BY_MACHINE = "tremplin"  # `by` where no person decided
CLOCK_SKEW = timedelta(minutes=5)  # between two machines that write; as Kerberos tolerates it (RFC 4120)
UNREADABLE = (ValueError, TypeError, RecursionError)  # of a column that holds nothing of its type
NO_OBJECT = "no object"  # where the facts of an entry are none, what they are stands under this name


@dataclass(frozen=True)
class Signatory:
    """A person who is known by a key, and signs with it."""

    contact: str  # their e-mail address in the charter
    sign: Callable[[bytes], str]  # a statement -> its signature, as text


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    number: int
    identity: str
    kind: str
    pilot: str
    by: str
    as_of: datetime
    recorded_at: datetime
    facts: dict[str, Any]
    previous_hash: str
    hash: str

    def expected_hash(self) -> str:
        """SHA-256 of everything in the entry but its own hash, as canonical JSON."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        content["as_of"], content["recorded_at"] = self.as_of.isoformat(), self.recorded_at.isoformat()
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def statement(self) -> bytes:
        """What a person signs: what was done, to what, in whose name, as of when, with every fact but the signature."""
        facts = {name: value for name, value in self.facts.items() if name != "signature"}
        return _statement(self.kind, self.pilot, self.by, self.as_of, facts)


def append(
    engine: Engine,
    kind: str,
    *,
    identity: str,
    pilot: str,
    by: str,
    as_of: datetime,
    facts: dict[str, Any],
    signed_by: Signatory | None = None,
    among: str | None = None,
) -> Entry:
    """Write one fact; the same ``identity`` again writes nothing and gives the entry that is there.

    ``among``: names several kinds of which only one entry may have that identity, whichever is first.

    ``recorded_at`` is the real clock: when something was written down is not a parameter. A fact that a person answers for
    is signed, even where it is known already: only the holder of the key comes so far.
    """
    facts = from_json(to_json(facts, fallback=str, inf_nan_mode="null"))  # as the store gives them back
    if signed_by:
        facts["contact"] = signed_by.contact
        facts["signature"] = signed_by.sign(_statement(kind, pilot, by, as_of, facts))
    identity = f"{pilot}:{among or kind}:{identity}"
    for _attempt in range(20):
        with engine.begin() as connection:
            same = sa.select(journal).where(journal.c.identity == identity)
            try:
                if known := connection.execute(same).first():
                    return _entry(known._mapping)
            except UNREADABLE as error:
                raise _tampered(connection, same, error) from None
            head = sa.select(journal.c.number, journal.c.hash).order_by(journal.c.number.desc()).limit(1)
            last = connection.execute(head).first()
        draft = Entry(
            number=last.number + 1 if last else 1,
            identity=identity,
            kind=kind,
            pilot=pilot,
            by=by,
            as_of=as_of.astimezone(UTC),
            recorded_at=datetime.now(UTC),
            facts=facts,
            previous_hash=last.hash if last else FIRST,
            hash="",
        )
        entry = Entry(**{**asdict(draft), "hash": draft.expected_hash()})
        try:
            with engine.begin() as connection:
                connection.execute(journal.insert().values(**asdict(entry)))
            return entry
        except sa.exc.IntegrityError:
            continue  # another writer took the number (or wrote the fact): look again
    raise TremplinError("The journal is being written by too many programs at once. Try again.")


def entries(engine: Engine, *, pilot: str | None = None, kind: str | None = None) -> list[Entry]:
    """Entries in the order they were written."""
    query = sa.select(journal).order_by(journal.c.number)
    if pilot:
        query = query.where(journal.c.pilot == pilot)
    if kind:
        query = query.where(journal.c.kind == kind)
    with engine.connect() as connection:
        try:
            return [_entry(row._mapping) for row in connection.execute(query)]
        except UNREADABLE as error:
            raise _tampered(connection, query, error) from None


def _tampered(connection: Connection, query: sa.Select[Any], error: Exception) -> TremplinError:
    """Names the first entry of a query that cannot be read: its facts are no JSON any more, or its time is none."""
    which = "an entry"
    for number in connection.scalars(query.with_only_columns(journal.c.number)).all():
        try:
            for row in connection.execute(query.where(journal.c.number == number)):
                _entry(row._mapping)
        except UNREADABLE as found:
            which, error = f"entry {number}", found
            break
    return TremplinError(f"The journal was tampered with: {which} cannot be read ({error}).")


def verify(engine: Engine) -> list[str]:
    """What is wrong with the chain and its dates, one sentence each; empty when every entry is as it was written."""
    found = entries(engine)
    return [*broken(found), *dated_back(found)]


def broken(chain: list[Entry]) -> list[str]:
    """Where the whole chain, from its first entry on, does not hold, one sentence each."""
    problems, previous, number = [], FIRST, 0
    for entry in chain:
        if entry.number != number + 1:
            problems.append(f"entry {number + 1} is missing (the next one is {entry.number})")
        if entry.previous_hash != previous:
            problems.append(f"entry {entry.number} does not follow the one before it")
        if entry.hash != entry.expected_hash() or NO_OBJECT in entry.facts:
            problems.append(f"entry {entry.number} ({entry.kind}) was changed after it was written")
        previous, number = entry.hash, entry.number
    return problems


def dated_back(following: list[Entry], after: datetime | None = None) -> list[str]:
    """Entries recorded earlier than what they follow, by more than two clocks may differ, one sentence each.

    A signature counts if the key was its holder's when the entry was recorded: an earlier date would bring an old key back.

    Args:
        after: a time that all of them must follow; None where only the one before each says it.
    """
    problems, latest = [], after
    for entry in following:
        if latest is not None and entry.recorded_at < latest - CLOCK_SKEW:
            problems.append(
                f"entry {entry.number} ({entry.kind}) says that it was recorded on {entry.recorded_at:%Y-%m-%d %H:%M} UTC, and "
                f"what it follows was there on {latest:%Y-%m-%d %H:%M} UTC: it was dated back, or a clock was wrong"
            )
        latest = entry.recorded_at if latest is None else max(latest, entry.recorded_at)
    return problems


def _entry(row: Mapping[Any, Any]) -> Entry:
    """A row as an entry, also where somebody put another type into a column: what it says then is not what was hashed."""
    facts = row["facts"]
    texts = {name: str(row[name]) for name in ("identity", "kind", "pilot", "by", "previous_hash", "hash")}
    return Entry(**{**row, **texts, "facts": facts if isinstance(facts, dict) else {NO_OBJECT: facts}})


def _statement(kind: str, pilot: str, by: str, as_of: datetime, facts: dict[str, Any]) -> bytes:
    said = {"action": kind, "pilot": pilot, "by": by, "as_of": as_of.astimezone(UTC).isoformat()}
    return canonical({**said, "facts": facts})
