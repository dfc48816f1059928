"""A rewriting of the whole journal passes its own hashes, and not the file that somebody else kept."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from governance.anchors import against_anchor, write_anchor, write_signed
from governance.identity import read_signers
from governance.keys import open_key, release_line
from tests.people import STRANGER, People
from tests.results import AS_OF
from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.journal import FIRST
from tremplin.release import make_keys
from tremplin.store import journal as table


def write(engine: Engine, number: int) -> None:
    facts = {"passed": number != 2}
    journal.append(
        engine, "verdict", identity=f"v{number}", pilot="flights", by="gate", as_of=AS_OF, facts=facts
    )


def rewrite(engine: Engine) -> None:
    """What an owner of the database does: another verdict, and every hash from there on made right."""
    previous = FIRST
    for entry in journal.entries(engine):
        draft = replace(entry, facts={"passed": True}, previous_hash=previous)
        forged = replace(draft, hash=draft.expected_hash())
        with engine.begin() as connection:
            connection.execute(
                sa.update(table).where(table.c.number == entry.number).values(**asdict(forged))
            )
        previous = forged.hash


@pytest.fixture
def three(engine: Engine) -> Engine:
    for number in (1, 2, 3):
        write(engine, number)
    return engine


@pytest.fixture
def file(three: Engine, people: People, tmp_path: Path) -> Path:
    """An anchor that Ines signed."""
    sign = people.signatory("Ines Moreau").sign
    write_anchor(three, tmp_path / "anchor.json", sign=sign, now=datetime.now(UTC))
    return tmp_path / "anchor.json"


def found(engine: Engine, file: Path, people: People, release_key: str | None = None) -> list[str]:
    signers = read_signers(people.signers)
    return against_anchor(engine, file, signers=signers, release_key=release_key)[2]


def test_a_rewriting_of_the_whole_chain_is_found_by_the_anchor_alone(
    three: Engine, file: Path, people: People
) -> None:
    rewrite(three)
    assert journal.verify(three) == []
    [problem] = found(three, file, people)
    assert problem.startswith("entry 3, anchored on ")
    assert problem.endswith("is another one now: the journal was rewritten")


def test_an_honest_journal_that_went_on_passes(three: Engine, file: Path, people: People) -> None:
    assert found(three, file, people) == []
    for number in (4, 5):
        write(three, number)
    assert (journal.verify(three), found(three, file, people)) == ([], [])


def test_a_journal_that_was_cut_off_is_found_by_the_anchor_alone(
    three: Engine, file: Path, people: People
) -> None:
    with three.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.number == 3))
    assert journal.verify(three) == []
    assert found(three, file, people)[0].endswith("is missing: the newest entries were cut off")


def test_an_anchor_is_two_small_files_that_say_who_signed(three: Engine, file: Path, people: People) -> None:
    signature = file.with_name("anchor.json.sig")
    assert file.stat().st_size + signature.stat().st_size < 1000
    anchor, who, _ = against_anchor(three, file, signers=read_signers(people.signers), release_key=None)
    assert (anchor.number, anchor.hash) == (3, journal.entries(three)[-1].hash)
    assert who == "ines.moreau@airline.example"


def test_the_release_key_anchors_where_no_person_does(three: Engine, people: People, tmp_path: Path) -> None:
    private, public = tmp_path / "release.key", tmp_path / "release.pub"
    make_keys(private, public)
    write_anchor(three, tmp_path / "a", sign=open_key(private).sign, now=datetime.now(UTC))
    assert found(three, tmp_path / "a", people, release_line(public)) == []
    with pytest.raises(TremplinError, match="Nobody enrolled the key"):
        found(three, tmp_path / "a", people, release_line(tmp_path / "none"))


def test_an_anchor_that_proves_nothing_is_refused(three: Engine, file: Path, people: People) -> None:
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"number":3', b'"number":2'))
    with pytest.raises(TremplinError, match="is not what was signed"):
        found(three, file, people)
    stranger = open_key(people.key(STRANGER))
    write_signed(file, content, stranger.sign(content))
    with pytest.raises(TremplinError, match="Nobody enrolled the key"):
        found(three, file, people)
    other = content.replace(b'"anchor"', b'"approval"')
    write_signed(file, other, people.signatory("Ines Moreau").sign(other))
    with pytest.raises(TremplinError, match="is signed, but no anchor"):
        found(three, file, people)
    file.with_name("anchor.json.sig").unlink()
    with pytest.raises(TremplinError, match=r"The anchor cannot be read: .* It is two files"):
        found(three, file, people)


def test_what_does_not_verify_is_not_anchored(three: Engine, people: People, tmp_path: Path) -> None:
    with three.begin() as connection:
        connection.execute(sa.update(table).where(table.c.number == 2).values(by="somebody"))
    with pytest.raises(TremplinError, match=r"nothing to anchor: entry 2 .* was changed"):
        write_anchor(three, tmp_path / "a", sign=people.signatory("Ines Moreau").sign, now=AS_OF)
    assert not (tmp_path / "a").exists()


def test_what_follows_an_anchor_cannot_be_dated_before_it(
    three: Engine, people: People, tmp_path: Path
) -> None:
    """The head was old when it was anchored: the chain alone would take any date since."""
    anchored = datetime.now(UTC) + timedelta(days=2)
    file = tmp_path / "a"
    write_anchor(three, file, sign=people.signatory("Ines Moreau").sign, now=anchored)
    write(three, 4)
    assert journal.verify(three) == []
    [problem] = found(three, file, people)
    assert problem.startswith("entry 4 (verdict) says that it was recorded on ")
    assert f"what it follows was there on {anchored:%Y-%m-%d %H:%M} UTC: it was dated back" in problem


def test_a_clock_that_was_wrong_does_not_keep_the_chain_from_being_anchored(
    three: Engine, people: People, tmp_path: Path
) -> None:
    last = journal.entries(three)[-1]
    draft = replace(last, recorded_at=last.recorded_at - timedelta(hours=1))
    with three.begin() as connection:
        values = asdict(replace(draft, hash=draft.expected_hash()))
        connection.execute(sa.update(table).where(table.c.number == 3).values(**values))
    assert len(journal.verify(three)) == 1
    write_anchor(three, tmp_path / "a", sign=people.signatory("Ines Moreau").sign, now=datetime.now(UTC))
    assert found(three, tmp_path / "a", people) == []


def test_an_anchor_without_a_zone_is_none(three: Engine, file: Path, people: People) -> None:
    naive = re.sub(rb'("anchored_at":"[^"]+?)Z"', rb'\1"', file.read_bytes())
    write_signed(file, naive, people.signatory("Ines Moreau").sign(naive))
    with pytest.raises(TremplinError, match="is signed, but no anchor"):
        found(three, file, people)


@pytest.mark.parametrize("name", ["no/such/folder", "."])
def test_where_nothing_can_be_written_is_named(
    three: Engine, people: People, tmp_path: Path, name: str
) -> None:
    with pytest.raises(TremplinError, match=r"cannot be written: .*\. Name a file in a folder"):
        write_anchor(three, tmp_path / name, sign=people.signatory("Ines Moreau").sign, now=AS_OF)
