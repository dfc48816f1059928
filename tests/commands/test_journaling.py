"""What `journal` and `identity` answer where a journal was forged, or a file is not what was named: never a traceback."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from governance.keys import make_key
from tests.commands.conftest import Cli
from tests.people import People
from tests.results import ROOT
from tremplin import journal, live
from tremplin.journal import Signatory
from tremplin.live import Live
from tremplin.settings import load_settings
from tremplin.steps import ANY_STEP, settled
from tremplin.store import open_store

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def pilots(tmp_path: Path) -> Path:
    """The store's folder, with the pilot's files."""
    shutil.copytree(ROOT / "pilots", tmp_path / "pilots")
    return tmp_path


ROLLING = Live(champion="old", challenger="r", share=0.15, rollout_key="k")
HALTED = ROLLING.model_copy(update={"share": 0.0, "halted": True})


def step(store: Engine, kind: str, before: Live | None, after: Live, *, by: str, **signed: Signatory) -> None:
    """Written, not taken."""
    known = live.current(store, "flights")
    facts = {
        "release": "r",
        "reason": "calls",
        "before": before and before.model_dump(),
        "after": after.model_dump(),
    }
    journal.append(
        store, kind, identity=str(known[0] if known else 0), among=ANY_STEP, pilot="flights", by=by, as_of=AS_OF, facts=facts,
        **signed,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, people: People) -> Engine:
    """Of a folder that holds nothing else: a verdict, and Ines's signed halt of what an image had proposed."""
    engine = open_store(load_settings(root=tmp_path))
    journal.append(engine, "verdict", identity="1", pilot="flights", by="gate", as_of=AS_OF, facts={})
    live.change(engine, "flights", ROLLING, by="seed", reason="the store was empty", after=0)
    step(engine, "halt", ROLLING, HALTED, by="Ines Moreau", signed_by=people.signatory("Ines Moreau"))
    live.change(engine, "flights", HALTED, by="Ines Moreau", reason="calls")
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
    answer = cli(ROOT, *words, "--until", "2150-01-01", TREMPLIN_ALLOWED_SIGNERS=str(listed))
    assert answer.code == 1
    assert f"{listed}:1 enrols the key of ada@town.example without an end" in answer.err


FORGED = [
    ROLLING.model_copy(update={"share": 1.0}),
    Live(champion="another"),
    HALTED.model_copy(update={"previous": "another"}),
]


@pytest.mark.parametrize("forged", FORGED, ids=repr)
@pytest.mark.parametrize("words", [("journal", "verify"), ("--pilot", "flights", "status")], ids=" ".join)
def test_what_is_live_and_nobody_decided_is_named(
    store: Engine, cli: Cli, pilots: Path, words: tuple[str, ...], forged: Live
) -> None:
    assert cli(pilots, *words).code == 0
    live.change(store, "flights", forged, by="tremplin", reason="wave 3 of 3")
    for as_json in ((), ("--json",)):
        answer = cli(pilots, *words, *as_json)
        assert answer.code == 1
        assert "What is live is not what the journal says: flights: version 3" in answer.err
        assert (
            "is not what entry 2 (halt by Ines Moreau) led to (champion old, challenger r for 0%, halted)"
            in answer.err
        )
    assert len(json.loads(answer.out)["undecided"]) == 1


def test_a_row_that_was_rewritten_or_removed_is_named(store: Engine, cli: Cli, tmp_path: Path) -> None:
    with store.begin() as connection:
        connection.execute(sa.update(live.live).values(state=FORGED[1].model_dump()))
    assert "(champion another) is not what entry 2" in cli(tmp_path, "journal", "verify").err
    with store.begin() as connection:
        connection.execute(sa.delete(live.live))
    assert "version 0 of what is live (nothing) is not what entry 2" in cli(tmp_path, "journal", "verify").err


def test_a_step_taken_from_what_nobody_decided_is_named_for_ever(
    store: Engine, cli: Cli, tmp_path: Path
) -> None:
    live.change(store, "flights", FORGED[0], by="tremplin", reason="…")
    step(store, "promotion", FORGED[0], Live(champion="r"), by="tremplin")
    assert settled(store, "flights") == (4, Live(champion="r"))
    answer = cli(tmp_path, "journal", "verify")
    assert (
        "entry 3 (promotion) begins with champion old, challenger r for 100%, and entry 2 (halt) led to"
        in answer.err
    )


def test_a_step_that_is_written_and_not_yet_taken_is_no_difference(
    store: Engine, cli: Cli, tmp_path: Path
) -> None:
    step(store, "rollback", HALTED, Live(champion="old"), by="tremplin")
    assert cli(tmp_path, "journal", "verify").code == 0
    assert settled(store, "flights") == (3, Live(champion="old"))
    assert cli(tmp_path, "journal", "verify").code == 0


@pytest.mark.parametrize(("by", "code"), [("seed", 0), ("tremplin", 1)])
def test_a_store_begins_with_what_an_image_proposed_and_with_nothing_else(
    cli: Cli, tmp_path: Path, by: str, code: int
) -> None:
    store = open_store(load_settings(root=tmp_path))
    live.change(store, "flights", Live(champion="a"), by=by, reason="…")
    assert cli(tmp_path, "journal", "verify").code == code
    live.change(store, "flights", Live(champion="b"), by=by, reason="…")
    assert "was decided by no entry of the journal" in cli(tmp_path, "journal", "verify").err


def test_what_is_live_and_cannot_be_read_is_named(store: Engine, cli: Cli, pilots: Path) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql("update live set state = 'xx'")
    for words in (("journal", "verify"), ("--pilot", "flights", "status")):
        answer = cli(pilots, *words)
        assert (answer.code, "What is live of flights cannot be read" in answer.err) == (1, True)
