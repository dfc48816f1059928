"""What `journal` and `identity` answer where a journal was forged, or a file is not what was named: never a traceback."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from governance.keys import make_key
from tests.commands.conftest import Cli
from tests.people import People
from tests.results import ROOT
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, people: People) -> Engine:
    """Of a folder that holds nothing else: a verdict, and Ines's signed halt."""
    engine = open_store(load_settings(root=tmp_path))
    journal.append(engine, "verdict", identity="1", pilot="flights", by="gate", as_of=AS_OF, facts={})
    journal.append(
        engine,
        "halt",
        identity="2",
        pilot="flights",
        by="Ines Moreau",
        as_of=AS_OF,
        facts={"release": "r", "reason": "calls"},
        signed_by=people.signatory("Ines Moreau"),
    )
    return engine


@pytest.mark.usefixtures("store")
def test_an_honest_journal_is_shown_and_verified(cli: Cli, tmp_path: Path) -> None:
    assert "ok 2 entries" in cli(tmp_path, "journal", "verify").out
    assert "reason: calls" in cli(tmp_path, "journal", "show").out


def test_a_halt_that_nobody_signed_is_named(store: Engine, cli: Cli, tmp_path: Path) -> None:
    for kind in ("halt", "resumption", "rollback"):
        journal.append(
            store,
            kind,
            identity="f",
            pilot="flights",
            by="Camille Laurent",
            as_of=AS_OF,
            facts={"reason": "x"},
        )
    answer = cli(tmp_path, "journal", "verify")
    assert answer.code == 1
    for number, kind in ((3, "halt"), (4, "resumption"), (5, "rollback")):
        assert f"entry {number} ({kind}) is not Camille Laurent's: no person signed it" in answer.err


@pytest.mark.parametrize("facts", ["null", "[]", "7", '"text"'])
def test_facts_that_are_no_object_are_named_and_shown(
    store: Engine, cli: Cli, tmp_path: Path, facts: str
) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql(f"update journal set facts = '{facts}' where number = 2")
    answer = cli(tmp_path, "journal", "verify")
    assert answer.code == 1
    assert "entry 2 (halt) was changed after it was written" in answer.err
    for words in ((), ("--json",)):
        shown = cli(tmp_path, "journal", "show", *words)
        assert (shown.code, "halt" in shown.out) == (0, True), shown.err


@pytest.mark.parametrize(
    ("column", "value"),
    [("by", "x'00'"), ("kind", "x'ff'"), ("recorded_at", "7"), ("as_of", "'soon'"), ("facts", "'garbage'")],
)
def test_a_column_that_is_of_another_type_is_a_change(
    store: Engine, cli: Cli, tmp_path: Path, column: str, value: str
) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql(f'update journal set "{column}" = {value} where number = 2')
    answer = cli(tmp_path, "journal", "verify")
    assert answer.code == 1
    assert "The journal was tampered with: " in answer.err
    assert "entry 2 " in answer.err


@pytest.mark.usefixtures("store")
def test_a_file_that_cannot_be_written_is_named(cli: Cli, people: People, tmp_path: Path) -> None:
    nowhere, key = str(tmp_path / "no" / "such" / "a.json"), str(people.key("Ines Moreau"))
    for words in (
        ("anchor", nowhere, "--key", key),
        ("extract", "2", nowhere),
        ("extract", "2", str(tmp_path)),
    ):
        answer = cli(tmp_path, "journal", *words)
        assert answer.code == 1
        assert "cannot be written: " in answer.err
    assert cli(tmp_path, "journal", "extract", "2", str(tmp_path / "a.json")).code == 0


@pytest.mark.usefixtures("store")
def test_a_list_of_signers_that_is_none_is_named(cli: Cli, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, why in ((tmp_path, "Is a directory"), (binary, "it is not UTF-8 text")):
        answer = cli(tmp_path, "journal", "verify", TREMPLIN_ALLOWED_SIGNERS=str(path))
        assert answer.code == 1
        assert f"The list of signers {path} cannot be read or written: {why}" in answer.err


def test_an_end_that_would_not_hold_is_refused(cli: Cli, tmp_path: Path) -> None:
    listed, public = tmp_path / "signers", make_key(tmp_path / "ada")
    words = ("identity", "enrol", "--contact", "ada@town.example", "--key", str(public))
    assert cli(ROOT, *words, TREMPLIN_ALLOWED_SIGNERS=str(listed)).code == 0
    answer = cli(ROOT, *words, "--until", "2026-01-01", TREMPLIN_ALLOWED_SIGNERS=str(listed))
    assert answer.code == 1
    assert f"{listed}:1 enrols the key of ada@town.example without an end" in answer.err
