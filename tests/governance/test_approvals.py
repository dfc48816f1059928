"""Who may approve what: a person of the charter, not the author, and only exact hashes of a model that passed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import Engine

from governance.approvals import approve
from tests.results import AS_OF
from tremplin import journal
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.journal import Entry
from tremplin.pilot import Pilot

MODEL, LOCK = "a" * 64, "b" * 64


def verdict(**changed: Any) -> dict[str, Any]:
    passed = {
        "pilot": "flights",
        "passed": True,
        "model_hash": MODEL,
        "checks": [{"id": "parity", "passed": True}],
    }
    return {**passed, **changed}


def approved(engine: Engine, pilot: Pilot, **changed: Any) -> Entry:
    said = changed.pop("verdict", verdict())
    given = {
        "version": 3, "by": "Camille Laurent", "as_of": AS_OF, "lock_hash": LOCK, "verdict": said,
        "verdict_hash": digest(said), "model_hash": MODEL,
    }  # fmt: skip
    return approve(engine, pilot, **{**given, **changed})


def test_an_approval_is_an_entry_that_covers_exact_hashes(engine: Engine, pilot: Pilot) -> None:
    entry = approved(engine, pilot)
    assert (entry.kind, entry.by, entry.as_of) == ("approval", "Camille Laurent", AS_OF)
    assert entry.facts == {
        "version": 3, "lock_hash": LOCK, "verdict_hash": digest(verdict()), "model_hash": MODEL, "role": "product owner",
        "stand_in": False,
    }  # fmt: skip
    assert journal.verify(engine) == []


def test_approving_twice_is_one_approval(engine: Engine, pilot: Pilot) -> None:
    assert approved(engine, pilot) == approved(engine, pilot)
    assert len(journal.entries(engine)) == 1


@pytest.mark.parametrize(
    "changed", [{"by": "Ines Moreau"}, {"lock_hash": "c" * 64}, {"version": 4}, {"stand_in": True}], ids=str
)
def test_anything_else_is_another_approval(engine: Engine, pilot: Pilot, changed: dict[str, Any]) -> None:
    approved(engine, pilot)
    approved(engine, pilot, **changed)
    assert len(journal.entries(engine)) == 2


def test_the_author_cannot_approve_their_own_model(engine: Engine, pilot: Pilot) -> None:
    with pytest.raises(
        TremplinError, match="Noor Haddad is an author of flights and cannot approve their own model"
    ):
        approved(engine, pilot, by="Noor Haddad")
    people = [
        person.model_copy(update={"may": ["author", "approve"]}) if person.name == "Ines Moreau" else person
        for person in pilot.charter.people
    ]
    charter = pilot.charter.model_copy(update={"people": people})
    both = Pilot(pilot.name, pilot.folder, pilot.file.model_copy(update={"charter": charter}), pilot.contract)
    with pytest.raises(TremplinError, match=r"Ines Moreau is an author .* Who may approve: Camille Laurent"):
        approved(engine, both, by="Ines Moreau")
    assert journal.entries(engine) == []


def test_who_may_not_is_told_who_may(engine: Engine, pilot: Pilot) -> None:
    with pytest.raises(
        TremplinError, match=r"'A Stranger' is not in the charter of flights\. Who may approve: Camille"
    ):
        approved(engine, pilot, by="A Stranger")
    people = [
        person.model_copy(update={"may": ["halt"]}) if person.name == "Ines Moreau" else person
        for person in pilot.charter.people
    ]
    charter = pilot.charter.model_copy(update={"people": people})
    fewer = Pilot(
        pilot.name, pilot.folder, pilot.file.model_copy(update={"charter": charter}), pilot.contract
    )
    with pytest.raises(TremplinError, match=r"Ines Moreau \(head of operations control\) may not approve"):
        approved(engine, fewer, by="Ines Moreau")


def test_a_blocked_model_cannot_be_approved_by_anybody(engine: Engine, pilot: Pilot) -> None:
    blocked = verdict(
        passed=False, checks=[{"id": "parity", "passed": True}, {"id": "sites", "passed": False}]
    )
    with pytest.raises(TremplinError, match=r"Version 3 of flights was blocked by the gate \(sites\)"):
        approved(engine, pilot, verdict=blocked)
    with pytest.raises(TremplinError, match="blocked by the gate"):
        approved(engine, pilot, verdict={**blocked, "passed": True})
    assert journal.entries(engine) == []


def test_a_verdict_that_was_changed_or_is_of_another_model_is_refused(engine: Engine, pilot: Pilot) -> None:
    with pytest.raises(TremplinError, match="The verdict is not the one of its hash"):
        approved(engine, pilot, verdict_hash="0" * 64)
    with pytest.raises(
        TremplinError, match="The verdict is of the model cccccccccccc of flights, not of aaaaaaaaaaaa"
    ):
        approved(engine, pilot, verdict=verdict(model_hash="c" * 64))
    with pytest.raises(TremplinError, match="of another, not of"):
        approved(engine, pilot, verdict=verdict(pilot="another"))
