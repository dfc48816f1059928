"""``identity`` and the part of ``journal`` that people write and auditors verify."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from governance.keys import make_key
from tests.commands.conftest import Cli
from tests.people import STRANGER, People, contact
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import copy_of
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

OF = ("--pilot", "lamps")


@pytest.fixture
def town(released: Town, tmp_path: Path) -> Town:
    return copy_of(released, tmp_path / "town")


def test_people_are_enrolled_and_shown_with_what_they_may(
    town: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    before = people.signers.read_text("utf-8")
    public = make_key(tmp_path / "ines")
    for _ in range(2):
        done = cli(
            town.root, *OF, "identity", "enrol", "--contact", contact("Ines Moreau"), "--key", str(public),
            "--until", "2150-01-01",
        )  # fmt: skip
        assert done.code == 0, done.err
    guest_key = str(make_key(tmp_path / "guest"))
    guest_enrol = (*OF, "identity", "enrol", "--contact", "guest@town.example", "--key", guest_key)
    ended = cli(town.root, *guest_enrol, "--until", "2020-01-01T00:00Z")
    assert (ended.code, "--until 2020-01-01T00:00Z has passed" in ended.err) == (1, True)
    assert cli(town.root, *guest_enrol).code == 0
    gone = cli(town.root, *OF, "identity", "remove", "--contact", "guest@town.example")
    assert (gone.code, " ended on 20" in gone.out) == (0, True)
    again = cli(town.root, *OF, "identity", "remove", "--contact", "guest@town.example")
    assert (again.code, "nothing to end" in again.out) == (0, True)
    found = json.loads(cli(town.root, *OF, "identity", "show", "--json").out)
    people.signers.write_text(before, "utf-8")  # the other tests' list as it was
    *_, ines, guest = found
    assert (ines["name"], ines["may"], ines["counts"]) == ("Ines Moreau", "approve, halt", "yes")
    assert (guest["name"], guest["may"]) == ("-", "-")
    assert " ended on " in guest["counts"]
    assert "SHA256:" in cli(town.root, *OF, "identity", "show").out


def test_a_person_writes_an_incident_and_a_stranger_does_not(town: Town, cli: Cli, people: People) -> None:
    words = (*OF, "journal", "add", "--kind", "incident", "--text", "The port's lamps went dark for an hour")
    refused = cli(town.root, *words, "--key", str(people.key(STRANGER)))
    assert (refused.code, "Nobody enrolled the key" in refused.err) == (1, True)
    done = cli(town.root, *words, "--key", str(people.key("Noor Haddad")))
    assert (done.code, done.out.strip()) == (0, "entry 5: incident by Noor Haddad")
    assert "went dark" in cli(town.root, *OF, "journal", "show", "--kind", "incident").out
    assert "ok 5 entries" in cli(town.root, *OF, "journal", "verify").out


def test_who_is_removed_signs_nothing_and_what_they_signed_stays_theirs(
    town: Town, cli: Cli, people: People
) -> None:
    before = people.signers.read_text("utf-8")
    words = (*OF, "journal", "add", "--kind", "lesson", "--key", str(people.key("Ines Moreau")), "--text")
    mine = ("--contact", contact("Ines Moreau"), "--fingerprint")
    shown = json.loads(cli(town.root, *OF, "identity", "show", "--json").out)
    key = next(row["key"] for row in shown if row["contact"] == contact("Ines Moreau"))
    try:
        assert cli(town.root, *words, "before").code == 0
        wrong = cli(town.root, *OF, "identity", "remove", *mine, "SHA256:other")
        assert (wrong.code, f"Theirs: {key}" in wrong.err) == (1, True)
        nobody = cli(town.root, *OF, "identity", "remove", "--contact", "no@town.example")
        assert (nobody.code, "no@town.example is not enrolled" in nobody.err) == (1, True)
        assert people.signers.read_text("utf-8") == before
        assert cli(town.root, *OF, "identity", "remove", *mine, key).code == 0
        refused = cli(town.root, *words, "after")
        assert (refused.code, "The enrolment of the key" in refused.err) == (1, True)
        verified = cli(town.root, *OF, "journal", "verify")
        assert (verified.code, verified.err) == (0, "")
        other = cli(town.root, *OF, "journal", "add", "--kind", "lesson", "--text", "another's",
                    "--key", str(people.key("Camille Laurent")))  # fmt: skip
        assert other.code == 0, other.err
    finally:
        people.signers.write_text(before, "utf-8")


def test_an_anchor_is_written_kept_and_compared(town: Town, cli: Cli, people: People, tmp_path: Path) -> None:
    lesson = (*OF, "journal", "add", "--kind", "lesson", "--key", str(people.key("Ines Moreau")), "--text")
    assert cli(town.root, *lesson, "a lesson").code == 0
    anchors = {"person": ("--key", str(people.key("Ines Moreau"))), "machine": ()}
    for name, key in anchors.items():
        assert cli(town.root, *OF, "journal", "anchor", str(tmp_path / name), *key).code == 0
    assert cli(town.root, *lesson, "another one").code == 0
    for name, who in (("person", contact("Ines Moreau")), ("machine", "the release key")):
        passed = cli(town.root, *OF, "journal", "verify", "--anchor", str(tmp_path / name))
        assert passed.code == 0, passed.err
        assert f"ok entry 5 is the one that {who} anchored" in passed.out
    engine = open_store(load_settings(root=town.root))
    last = journal.entries(engine)[-1]
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from journal where number >= 5")
    assert last.number == 6
    assert cli(town.root, *OF, "journal", "verify").code == 0
    found = cli(town.root, *OF, "journal", "verify", "--anchor", str(tmp_path / "person"))
    assert found.code == 1
    assert "is missing: the newest entries were cut off" in found.err


def test_without_the_list_of_signers_nothing_is_said_to_be_verified(
    town: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    away = people.signers.rename(tmp_path / "away")
    try:
        answer = cli(town.root, *OF, "journal", "verify")
    finally:
        away.rename(people.signers)
    assert answer.code == 1
    assert "cannot be verified" in answer.err
    assert "Set TREMPLIN_ALLOWED_SIGNERS" in answer.err


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed here")
def test_an_auditor_verifies_an_approval_with_ssh_keygen_alone(
    town: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    file = tmp_path / "go.json"
    assert cli(town.root, *OF, "journal", "extract", "2", str(file)).code == 0
    command = [
        "ssh-keygen", "-Y", "verify", "-f", people.signers, "-I", contact("Camille Laurent"), "-n", "tremplin",
        "-s", f"{file}.sig",
    ]  # fmt: skip
    content = file.read_bytes()
    assert json.loads(content)["facts"]["version"] == 1
    for message, good in ((content, True), (content.replace(b'"version":1', b'"version":2'), False)):
        assert (
            subprocess.run(command, input=message, capture_output=True, check=False).returncode == 0
        ) is good
    unsigned = cli(town.root, *OF, "journal", "extract", "1", str(file))
    assert (unsigned.code, "No person signed an entry 1" in unsigned.err) == (1, True)
