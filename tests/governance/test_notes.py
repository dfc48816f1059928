"""What people add to the journal: signed, by somebody of the charter, and without a way to reach anybody else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from governance.identity import enrol, identify, read_signers
from governance.keys import make_key
from governance.notes import add_note, plain, unsigned
from tests.people import People
from tests.results import AS_OF
from tremplin import journal
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

TEXT = "From 06:00 to 06:30 on 2013-07-04 no weather came; 26,746 rows of 115,215 went without (.02, lock 6b86b273ff34fce1)."


def test_everybody_of_the_charter_may_write_and_signs(engine: Engine, pilot: Pilot, people: People) -> None:
    noor = people.signatory("Noor Haddad")
    for _ in range(2):
        entry = add_note(engine, pilot, "incident", f" {TEXT}\n", by=noor, as_of=AS_OF)
    assert (entry.kind, entry.by, entry.facts["text"], entry.facts["role"]) == (
        "incident", "Noor Haddad", TEXT, "ML engineer",
    )  # fmt: skip
    signers = read_signers(people.signers)
    assert (journal.verify(engine), unsigned(journal.entries(engine), signers)) == ([], [])
    assert json.loads(entry.statement())["action"] == "incident"


def test_who_is_not_in_the_charter_does_not_write(
    engine: Engine, pilot: Pilot, people: People, tmp_path: Path
) -> None:
    enrol(tmp_path / "signers", "guest@town.example", make_key(tmp_path / "guest"))
    guest = identify(tmp_path / "guest", tmp_path / "signers", datetime.now(UTC))
    with pytest.raises(TremplinError, match=r"guest@.* not in the charter of flights: .* written by Camille"):
        add_note(engine, pilot, "lesson", TEXT, by=guest, as_of=AS_OF)
    assert journal.entries(engine) == []


def test_what_a_person_must_have_written_and_did_not_sign_is_found(
    engine: Engine, pilot: Pilot, people: People
) -> None:
    signers = read_signers(people.signers)
    journal.append(
        engine, "lesson", identity="x", pilot="flights", by="Ines Moreau", as_of=AS_OF, facts={"text": "…"}
    )
    journal.append(engine, "verdict", identity="x", pilot="flights", by="gate", as_of=AS_OF, facts={})
    entries = journal.entries(engine)
    assert journal.verify(engine) == []
    assert unsigned(entries, signers) == ["entry 1 (lesson) is not Ines Moreau's: no person signed it"]
    note = add_note(engine, pilot, "lesson", TEXT, by=people.signatory("Ines Moreau"), as_of=AS_OF)
    assert unsigned([note], signers) == []
    [problem] = unsigned([replace(note, facts={**note.facts, "text": "nothing happened"})], signers)
    assert problem.endswith("its signature is not of what it says")


def written(engine: Engine, kind: str, by: str, **signed: Any) -> journal.Entry:
    facts = {"release": "r", "reason": "…"}
    return journal.append(
        engine, kind, identity="x", pilot="flights", by=by, as_of=AS_OF, facts=facts, **signed
    )


@pytest.mark.parametrize(
    ("kind", "by"),
    [
        ("halt", "Camille Laurent"),
        ("halt", "tremplin"),
        ("resumption", "Camille Laurent"),
        ("rollback", "Ines Moreau"),
        ("approval", "gate"),
        ("incident", "tremplin"),
        ("promotion", "Ines Moreau"),
        ("a kind that nobody knows", "Camille Laurent"),
    ],
)
def test_no_act_of_a_person_goes_unsigned(engine: Engine, people: People, kind: str, by: str) -> None:
    entry = written(engine, kind, by)
    assert journal.verify(engine) == []
    said = f"entry 1 ({kind}) is not {by}'s: no person signed it"
    assert unsigned([entry], read_signers(people.signers)) == [said]


def test_what_machines_write_needs_no_signature(engine: Engine) -> None:
    for kind, by in (
        ("verdict", "gate"),
        ("wave", "tremplin"),
        ("promotion", "tremplin"),
        ("rollback", "tremplin"),
    ):
        written(engine, kind, by)
    assert unsigned(journal.entries(engine), []) == []


class Go:
    """Ines's signed approval of version 1 of `flights`, what follows from it, and what somebody writes beside it."""

    def __init__(self, engine: Engine, people: People) -> None:
        self.engine, self.signers = engine, read_signers(people.signers)
        ines = people.signatory("Ines Moreau")
        self.approval = self.write("approval", facts={"version": 1}, signed_by=ines)

    def write(self, kind: str, *, facts: dict[str, Any], **changed: Any) -> journal.Entry:
        given = {
            "pilot": "flights",
            "by": "Ines Moreau",
            "as_of": AS_OF,
            "identity": digest([facts, str(changed)]),
        }
        return journal.append(self.engine, kind, facts=facts, **{**given, **changed})

    def release(self, name: str = "r", version: int = 1, approval: str = "", **changed: Any) -> journal.Entry:
        facts = {"release": name, "version": version, "approval": approval or self.approval.hash}
        return self.write("release", facts=facts, **changed)

    def found(self) -> list[str]:
        assert journal.verify(self.engine) == []
        return unsigned(journal.entries(self.engine), self.signers)


@pytest.fixture
def go(engine: Engine, people: People) -> Go:
    return Go(engine, people)


def test_what_follows_from_an_approval_needs_no_signature(go: Go) -> None:
    go.release()
    go.write("go-live", facts={"release": "r"})
    go.write("rollout", facts={"release": "r"})
    assert go.found() == []


@pytest.mark.parametrize(
    "forged",
    [
        {"approval": "0" * 64},
        {"version": 2},
        {"by": "Camille Laurent"},
        {"by": "tremplin"},
        {"pilot": "support"},
    ],
    ids=str,
)
def test_a_release_names_the_approval_that_it_follows_from(go: Go, forged: dict[str, Any]) -> None:
    go.release()
    entry = go.release("another", **forged)
    said = "it names no approval of theirs, of the same version, that stands before it"
    assert go.found() == [f"entry 3 (release) is not {entry.by}'s: {said}"]


def test_an_approval_stands_before_the_release(engine: Engine, people: People) -> None:
    go = Go(engine, people)
    release = replace(go.release(), number=1)
    [problem] = unsigned([release, go.approval], go.signers)
    assert problem.startswith("entry 1 (release) is not Ines Moreau's: it names no approval")


@pytest.mark.parametrize("kind", ["go-live", "rollout"])
@pytest.mark.parametrize(
    "forged",
    [{"facts": {"release": "s"}}, {"facts": {}}, {"by": "Camille Laurent"}, {"by": "tremplin"}, {"pilot": "support"}],
    ids=str,
)  # fmt: skip
def test_what_goes_live_is_a_release_that_was_written_before(
    go: Go, kind: str, forged: dict[str, Any]
) -> None:
    go.release()
    entry = go.write(kind, **{"facts": {"release": "r"}, **forged})
    said = f"entry 3 ({kind}) is not {entry.by}'s: it names no release of theirs that stands before it"
    assert go.found() == [said]


def test_what_follows_from_a_forged_approval_is_not_named_beside_it(go: Go) -> None:
    release = go.release()
    live = go.write("go-live", facts={"release": "r"})
    forged = replace(go.approval, by="Camille Laurent")
    [problem] = unsigned([forged, release, live], go.signers)
    assert problem == "entry 1 (approval) is not Camille Laurent's: its signature is not of what it says"


@pytest.mark.parametrize("kind", ["halt", "resumption", "rollback"])
def test_a_signed_step_is_its_signers(engine: Engine, people: People, kind: str) -> None:
    signers = read_signers(people.signers)
    entry = written(engine, kind, "Ines Moreau", signed_by=people.signatory("Ines Moreau"))
    assert unsigned([entry], signers) == []
    assert unsigned([replace(entry, by="Camille Laurent")], signers)


@pytest.mark.parametrize(
    "facts", ["null", "[]", "3", '"text"', "true", '{"share": 1e999}', '{"release": "other"}']
)
def test_facts_that_are_none_are_changed_ones(engine: Engine, people: People, facts: str) -> None:
    written(engine, "approval", "Ines Moreau", signed_by=people.signatory("Ines Moreau"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update journal set facts = '{facts}' where number = 1")
    assert journal.verify(engine) == ["entry 1 (approval) was changed after it was written"]
    [problem] = unsigned(journal.entries(engine), read_signers(people.signers))
    assert problem.startswith("entry 1 (approval) is not Ines Moreau's: ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Write to jane.doe+ny@mail.example about it", "an e-mail address"),
        ("She answers at +33 6 12 34 56 78.", "a telephone number"),
        ("She answers at 06 12 34 56 78.", "a telephone number"),
        ("0612345678", "a telephone number"),
        ("call (212) 555-0187", "a telephone number"),
        ("call +1 212 555 0187", "a telephone number"),
        ("", "1 to 2000 characters"),
        ("x" * 2001, "1 to 2000 characters"),
    ],
)
def test_how_to_reach_somebody_is_not_written_where_nothing_can_be_erased(text: str, what: str) -> None:
    with pytest.raises(TremplinError, match=what):
        plain(text)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "Wave 2 of 3 was held on 2013-10-03 12:30:00+00:00; share .15, difference +0.0024 [+.0011, +.0038]",
        "Version 12, lock 0612345678abcdef, flights UA1545 and B6725 at 13.8 % (n = 336776)",
        "@channel was told; cost 1 200 000 USD; 20131003-0612",
    ],
)
def test_numbers_dates_and_hashes_are_no_telephone(text: str) -> None:
    assert plain(text) == text
