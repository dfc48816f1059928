"""Who may approve what: a person of the charter, not the author, and only exact hashes of a model that passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from governance.approvals import approve, expired
from governance.identity import read_signers, signature_problem
from tests.people import STRANGER, People, contact
from tests.results import AS_OF
from tremplin import journal
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.journal import Entry
from tremplin.pilot import Pilot

MODEL, LOCK, COMMIT = "a" * 64, "b" * 64, "c" * 40


def verdict(**changed: Any) -> dict[str, Any]:
    passed = {
        "pilot": "flights",
        "as_of": AS_OF.isoformat(),
        "passed": True,
        "model_hash": MODEL,
        "checks": [{"id": "parity", "passed": True}],
    }
    return {**passed, **changed}


class Desk:
    """Where people of the charter of `flights` approve version 3 with their keys."""

    def __init__(self, engine: Engine, pilot: Pilot, people: People) -> None:
        self.engine, self.pilot, self.people = engine, pilot, people

    def approve(self, by: str = "Camille Laurent", **changed: Any) -> Entry:
        said = changed.pop("verdict", verdict())
        given = {
            "version": 3, "authors": (), "as_of": AS_OF, "commit": COMMIT, "lock_hash": LOCK, "verdict": said,
            "verdict_hash": digest(said), "model_hash": MODEL,
        }  # fmt: skip
        return approve(self.engine, self.pilot, by=self.people.signatory(by), **{**given, **changed})

    def with_ines(self, **changed: Any) -> Desk:
        """The same with another Ines Moreau in the charter."""
        people = [
            person.model_copy(update=changed) if person.name == "Ines Moreau" else person
            for person in self.pilot.charter.people
        ]
        charter = self.pilot.charter.model_copy(update={"people": people})
        return self._with(charter=charter)

    def with_days(self, days: int) -> Desk:
        """The same with another ``gate.approval_days``."""
        return self._with(gate=self.pilot.file.gate.model_copy(update={"approval_days": days}))

    def _with(self, **sections: Any) -> Desk:
        file = self.pilot.file.model_copy(update=sections)
        return Desk(self.engine, replace(self.pilot, file=file), self.people)


@pytest.fixture
def desk(engine: Engine, pilot: Pilot, people: People) -> Desk:
    return Desk(engine, pilot, people)


def test_an_approval_is_an_entry_that_covers_exact_hashes(desk: Desk) -> None:
    entry = desk.approve()
    assert (entry.kind, entry.by, entry.as_of) == ("approval", "Camille Laurent", AS_OF)
    signature = entry.facts.pop("signature")
    assert signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert entry.facts == {
        "version": 3, "lock_hash": LOCK, "verdict_hash": digest(verdict()), "model_hash": MODEL, "role": "product owner",
        "stand_in": False, "commit": COMMIT, "expires": "2013-07-31T00:00:00+00:00", "contact": contact("Camille Laurent"),
    }  # fmt: skip
    assert journal.verify(desk.engine) == []


def test_approving_twice_is_one_approval_while_the_first_one_holds(desk: Desk) -> None:
    """By a limit that was made longer later: the stand-in's is the one of its workspace."""

    def approved(after: int, days: int = 30) -> Entry:
        return desk.with_days(days).approve(as_of=AS_OF + timedelta(days=after), stand_in=True)

    first = approved(0, days=10)
    assert approved(0) == approved(9) == first
    second = approved(10)
    assert second.number == 2
    assert second.facts["expires"] == "2013-08-10T00:00:00+00:00"
    assert approved(11) == second
    assert not expired(first, AS_OF + timedelta(days=9))
    assert expired(first, AS_OF + timedelta(days=10))


def test_a_verdict_is_approved_while_what_was_known_then_may_still_hold(desk: Desk) -> None:
    limit, moment = AS_OF + timedelta(days=30), timedelta(seconds=1)
    for late in (limit, limit + timedelta(days=3650)):
        with pytest.raises(
            TremplinError, match=r"as of 2013-07-01 00:00 UTC, and a verdict is approved within 30 days"
        ):
            desk.approve(as_of=late)
    assert journal.entries(desk.engine) == []
    first = desk.approve(as_of=limit - moment)
    assert desk.approve(as_of=limit + timedelta(days=29)) == first, "one that holds is completed, not given"
    with pytest.raises(TremplinError, match="Run the gate on newer data"):
        desk.approve(as_of=limit - moment + timedelta(days=30))


@pytest.mark.parametrize(
    "changed", [{"by": "Ines Moreau"}, {"lock_hash": "c" * 64}, {"version": 4}, {"stand_in": True}], ids=str
)
def test_anything_else_is_another_approval(desk: Desk, changed: dict[str, Any]) -> None:
    desk.approve()
    desk.approve(**changed)
    assert len(journal.entries(desk.engine)) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        {"by": "Ines Moreau"},
        {"as_of": AS_OF + timedelta(days=9)},
        {"pilot": "support"},
        {"facts": {"expires": "2033-01-01T00:00:00+00:00"}},
        {"facts": {"model_hash": "c" * 64}},
        {"facts": {"contact": contact("Ines Moreau")}},
        {"facts": {"signature": None}},
    ],
    ids=str,
)
def test_the_signature_is_of_everything_the_approval_says(desk: Desk, spoil: dict[str, Any]) -> None:
    entry, signers = desk.approve(), read_signers(desk.people.signers)
    assert signature_problem(entry, signers) is None
    changed = {**spoil, "facts": {**entry.facts, **spoil.get("facts", {})}}
    assert signature_problem(replace(entry, **changed), signers)


def test_another_persons_signature_is_not_this_ones(desk: Desk) -> None:
    entry = desk.approve()
    forged = desk.people.signatory("Noor Haddad").sign(entry.statement())
    problem = signature_problem(
        replace(entry, facts={**entry.facts, "signature": forged}), read_signers(desk.people.signers)
    )
    assert problem == "noor.haddad@airline.example signed it, in another's name"


def test_the_author_cannot_approve_their_own_model(desk: Desk) -> None:
    with pytest.raises(
        TremplinError, match=r"noor\.haddad@airline\.example is an author of flights and cannot approve"
    ):
        desk.approve("Noor Haddad")
    both = desk.with_ines(may=["author", "approve"])
    with pytest.raises(TremplinError, match=r"ines.* is an author .* Who may approve: Camille Laurent\."):
        both.approve("Ines Moreau")
    noor_by_another_name = desk.with_ines(contact=contact("Noor Haddad"))
    with pytest.raises(TremplinError, match=r"noor.* is an author .* Who may approve: Camille Laurent\."):
        noor_by_another_name.approve("Noor Haddad")
    assert journal.entries(desk.engine) == []


def test_who_changed_the_pilot_cannot_approve_it(desk: Desk) -> None:
    others = {contact("Noor Haddad"), contact("Ines Moreau").upper()}
    with pytest.raises(TremplinError, match=r"Ines Moreau changed flights since .* says git"):
        desk.approve("Ines Moreau", authors=others)
    assert desk.approve(authors=others).by == "Camille Laurent"


def test_who_may_not_is_told_who_may(desk: Desk) -> None:
    gone = desk.with_ines(contact="ines@elsewhere.example")
    with pytest.raises(
        TremplinError, match=r"ines\.moreau@.* is not in the charter of flights\. Who may approve it: Camille"
    ):
        gone.approve("Ines Moreau")
    with pytest.raises(TremplinError, match=r"Ines Moreau \(head of operations control\) may not approve"):
        desk.with_ines(may=["halt"]).approve("Ines Moreau")
    with pytest.raises(TremplinError, match="Nobody enrolled the key SHA256:"):
        desk.approve(STRANGER)
    assert journal.entries(desk.engine) == []


def test_a_blocked_model_cannot_be_approved_by_anybody(desk: Desk) -> None:
    blocked = verdict(
        passed=False, checks=[{"id": "parity", "passed": True}, {"id": "sites", "passed": False}]
    )
    with pytest.raises(TremplinError, match=r"Version 3 of flights was blocked by the gate \(sites\)"):
        desk.approve(verdict=blocked)
    with pytest.raises(TremplinError, match="blocked by the gate"):
        desk.approve(verdict={**blocked, "passed": True})
    assert journal.entries(desk.engine) == []


def test_a_model_that_did_not_come_again_is_approved_by_nobody_until_it_does(desk: Desk) -> None:
    def made_again(version: int, number: int, differing: list[str]) -> None:
        facts = {"version": version, "same": not differing, "differing": differing}
        journal.append(
            desk.engine,
            "reproduction",
            identity=str(number),
            pilot="flights",
            by="tremplin",
            as_of=AS_OF,
            facts=facts,
        )

    made_again(2, 1, ["models/flights"])  # another version's
    assert desk.approve().kind == "approval"
    made_again(3, 2, ["models/flights", "reports/flights/4-modeling.json"])
    with pytest.raises(
        TremplinError, match=r"when it was made again on 2013-07-01: models/flights, reports/flights/4-mod"
    ):
        desk.approve()
    made_again(3, 3, [])
    assert desk.approve().kind == "approval"


def test_a_verdict_that_was_changed_or_is_of_another_model_is_refused(desk: Desk) -> None:
    with pytest.raises(TremplinError, match="The verdict is not the one of its hash"):
        desk.approve(verdict_hash="0" * 64)
    with pytest.raises(
        TremplinError, match="The verdict is of the model cccccccccccc of flights, not of aaaaaaaaaaaa"
    ):
        desk.approve(verdict=verdict(model_hash="c" * 64))
    with pytest.raises(TremplinError, match="of another, not of"):
        desk.approve(verdict=verdict(pilot="another"))


def test_nobody_approves_as_of_a_time_before_the_data_that_was_judged(desk: Desk) -> None:
    later = verdict(as_of="2013-06-30T21:00:00-04:00")
    with pytest.raises(
        TremplinError, match=r"judged on data as of 2013-07-01 01:00 UTC: .* 2013-07-01 00:00 UTC"
    ):
        desk.approve(verdict=later)
    assert journal.entries(desk.engine) == []
    for hours in (1, 2):
        assert desk.approve(verdict=later, as_of=AS_OF + timedelta(hours=hours)).kind == "approval"
