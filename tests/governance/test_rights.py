"""A right is one that the charter gives here and in a commit: real repositories, with the pilot `flights` in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from governance.notes import add_note
from governance.rights import allowed
from tests.governance.test_approvals import COMMIT, Desk
from tests.people import People, contact
from tests.results import AS_OF, ROOT
from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot, load_pilot

Approve = Callable[..., journal.Entry]
INES = "contact: ines.moreau@airline.example, may: "
GIVEN, TAKEN = f"{INES}[approve, halt]", f"{INES}[halt]"


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


class Checkout:
    """A folder with the pilot; ``charter`` writes what Ines may."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "pilots" / "flights", root / "pilots" / "flights")
        self.charter(TAKEN)

    @property
    def pilot(self) -> Pilot:
        return load_pilot("flights", self.root)

    def charter(self, ines: str) -> None:
        text = (ROOT / "pilots" / "flights" / "pilot.yaml").read_text("utf-8")
        assert GIVEN in text
        (self.root / "pilots" / "flights" / "pilot.yaml").write_text(text.replace(GIVEN, ines), "utf-8")

    def commit(self) -> str:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", "a charter")
        return git(self.root, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """In git, with nothing of it committed."""
    made = Checkout(tmp_path / "checkout")
    git(made.root, "init", "-q")
    git(made.root, "commit", "-q", "--allow-empty", "-m", "nothing yet")
    return made


@pytest.fixture
def approve(engine: Engine, checkout: Checkout, people: People) -> Approve:
    return lambda by, **said: Desk(engine, checkout.pilot, people).approve(by, **said)


def test_a_right_that_was_only_written_into_the_working_copy_is_none(
    engine: Engine, checkout: Checkout, approve: Approve
) -> None:
    commit = checkout.commit()
    checkout.charter(GIVEN)
    refused = (
        rf"Ines Moreau .* may not approve flights \(in commit {commit[:12]}\)\. Who may: Camille Laurent\."
    )
    with pytest.raises(TremplinError, match=refused):
        approve("Ines Moreau", commit=commit)
    with pytest.raises(TremplinError, match=r"may not approve flights \(in commit [0-9a-f]{12}\)"):
        approve("Ines Moreau", commit=commit, charter_commit="HEAD")
    with pytest.raises(TremplinError, match=r"may not approve flights \(in commit [0-9a-f]{12}\)"):
        approve("Ines Moreau", commit=COMMIT)  # one that this repository does not have
    with pytest.raises(TremplinError, match=r"may not approve flights \(in commit [0-9a-f]{12}\)"):
        allowed(checkout.pilot, contact("Ines Moreau"), "approve")
    assert journal.entries(engine) == []
    assert approve("Camille Laurent", commit=commit).by == "Camille Laurent"


def test_a_commit_says_what_was_committed_whatever_was_put_in_its_place(
    checkout: Checkout, approve: Approve
) -> None:
    """`git replace` shows another file in the same commit, and no log tells."""
    commit = checkout.commit()
    charter = checkout.root / "pilots" / "flights" / "pilot.yaml"
    checkout.charter(GIVEN)
    git(checkout.root, "replace", git(checkout.root, "rev-parse", "HEAD:pilots/flights/pilot.yaml"),
        git(checkout.root, "hash-object", "-w", str(charter)))  # fmt: skip
    assert GIVEN in git(checkout.root, "show", "HEAD:pilots/flights/pilot.yaml")
    with pytest.raises(TremplinError, match="may not approve"):
        approve("Ines Moreau", commit=commit)


def test_a_right_counts_for_what_was_made_after_it_was_committed(
    checkout: Checkout, approve: Approve
) -> None:
    before = checkout.commit()
    checkout.charter(GIVEN)
    after = checkout.commit()
    with pytest.raises(TremplinError, match="may not approve"):
        approve("Ines Moreau", commit=before)
    assert approve("Ines Moreau", commit=after).facts["role"] == "head of operations control"
    later = approve("Ines Moreau", commit=before, charter_commit="HEAD", version=4)
    assert (later.facts["commit"], later.facts["charter_commit"]) == (before, after)


def test_a_right_that_was_taken_away_is_gone_whatever_is_committed(
    checkout: Checkout, approve: Approve
) -> None:
    checkout.charter(GIVEN)
    commit = checkout.commit()
    checkout.charter(TAKEN)
    with pytest.raises(TremplinError, match=r"may not approve flights\. Who may: Camille Laurent\."):
        approve("Ines Moreau", commit=commit)


def test_who_is_named_comes_from_the_commit(checkout: Checkout, approve: Approve) -> None:
    checkout.charter(GIVEN)
    commit = checkout.commit()
    checkout.charter(GIVEN.replace(INES, INES.replace("ines.moreau", "mallory")))
    with pytest.raises(TremplinError, match="is not in the charter of flights"):
        approve("Ines Moreau", commit=commit)
    checkout.charter(GIVEN)
    file = checkout.root / "pilots" / "flights" / "pilot.yaml"
    file.write_text(
        file.read_text("utf-8").replace("name: Ines Moreau, role: head", "name: Nobody, role: chief")
    )
    entry = approve("Ines Moreau", commit=commit)
    assert (entry.by, entry.facts["role"]) == ("Ines Moreau", "head of operations control")


def test_how_long_an_approval_holds_comes_from_the_commit(checkout: Checkout, approve: Approve) -> None:
    commit = checkout.commit()
    file = checkout.root / "pilots" / "flights" / "pilot.yaml"
    committed = file.read_text("utf-8")
    for version, days in enumerate((3650, 1), 3):
        file.write_text(committed.replace("approval_days: 30", f"approval_days: {days}"), "utf-8")
        assert checkout.pilot.file.gate.approval_days == days
        entry = approve("Camille Laurent", commit=commit, version=version)
        assert entry.facts["expires"] == "2013-07-31T00:00:00+00:00"
        late = {"commit": commit, "version": version + 2, "as_of": AS_OF + timedelta(days=30)}
        with pytest.raises(TremplinError, match="approved within 30 days"):
            approve("Camille Laurent", **late)
    stand_in = approve("Camille Laurent", commit=commit, stand_in=True)
    assert stand_in.facts["expires"] == "2013-07-02T00:00:00+00:00", "of the demo's workspace"
    later = checkout.commit()
    entry = approve("Camille Laurent", commit=later, version=9)
    assert entry.facts["expires"] == "2013-07-02T00:00:00+00:00"
    file.write_text(committed.replace("approval_days: 30", "approval_days: soon"), "utf-8")
    broken = checkout.commit()
    file.write_text(committed, "utf-8")
    with pytest.raises(TremplinError, match=r"does not say how long .* \(`gate.approval_days`\)"):
        approve("Camille Laurent", commit=broken)


def test_a_project_below_the_top_of_its_repository_is_named(
    engine: Engine, people: People, tmp_path: Path
) -> None:
    """At the top may lie another pilot of that name, with another charter."""
    top = Checkout(tmp_path / "repository")
    below = Checkout(top.root / "team")
    git(top.root, "init", "-q")
    top.charter(GIVEN)
    commit = top.commit()
    for pilot, place in ((below.pilot, r"lies in team/ of its git repository"), (top.pilot, None)):
        desk = Desk(engine, pilot, people)
        if place:
            with pytest.raises(TremplinError, match=place):
                desk.approve("Camille Laurent", commit=commit)
        else:
            assert desk.approve("Ines Moreau", commit=commit).by == "Ines Moreau"


def test_a_pilot_that_is_in_no_commit_gives_nobody_a_right(
    engine: Engine, checkout: Checkout, approve: Approve, people: People
) -> None:
    commit = git(checkout.root, "rev-parse", "HEAD")
    for way in ({"commit": commit}, {"commit": commit, "charter_commit": "HEAD"}, {"commit": "unknown"}):
        with pytest.raises(TremplinError, match=r"pilots/flights/pilot\.yaml is not in .* Commit the pilot"):
            approve("Camille Laurent", **way)
    with pytest.raises(TremplinError, match=r"pilot\.yaml is not in commit"):
        add_note(engine, checkout.pilot, "lesson", "x", by=people.signatory("Camille Laurent"), as_of=AS_OF)
    assert journal.entries(engine) == []
    assert approve("Camille Laurent", commit=commit, stand_in=True).facts["stand_in"]
    checkout.commit()
    assert approve("Camille Laurent", commit=commit, charter_commit="HEAD").by == "Camille Laurent"


@pytest.mark.parametrize("text", ["", "charter: {}", "charter: {people: [{name: x}]}", "a: [", "\x00"])
def test_a_committed_charter_that_cannot_be_read_is_named(
    checkout: Checkout, approve: Approve, text: str
) -> None:
    file = checkout.root / "pilots" / "flights" / "pilot.yaml"
    file.write_text(text)
    commit = checkout.commit()
    checkout.charter(GIVEN)
    with pytest.raises(TremplinError, match=r"pilot\.yaml in commit .* does not say who may do what"):
        approve("Camille Laurent", commit=commit)


def test_where_git_knows_nothing_the_charter_that_is_there_counts(
    engine: Engine, people: People, tmp_path: Path
) -> None:
    copied = Checkout(tmp_path / "copied")
    copied.charter(GIVEN)
    assert Desk(engine, copied.pilot, people).approve("Ines Moreau", commit="unknown").by == "Ines Moreau"
    with pytest.raises(TremplinError, match=r"Noor Haddad .* may not halt flights\. Who may: Camille"):
        allowed(copied.pilot, contact("Noor Haddad"), "halt")


def test_who_writes_themselves_into_the_charter_writes_no_note(
    engine: Engine, checkout: Checkout, people: People
) -> None:
    checkout.charter(GIVEN.replace("ines.moreau", "somebody.else"))
    checkout.commit()
    checkout.charter(GIVEN)
    ines = people.signatory("Ines Moreau")
    with pytest.raises(TremplinError, match=r"ines\.moreau@.* is not in the charter of flights"):
        add_note(engine, checkout.pilot, "lesson", "x", by=ines, as_of=AS_OF)
    checkout.commit()
    assert add_note(engine, checkout.pilot, "lesson", "x", by=ines, as_of=AS_OF).by == "Ines Moreau"
