"""``stop`` and ``restart``: who may, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.identity import read_signers, signature_problem
from tests.commands.conftest import Cli
from tests.people import STRANGER, People
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, copy_of
from tremplin import journal, live
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]


def test_a_person_with_the_right_stops_it_and_one_who_may_approve_restarts_it(
    released: Town, cli: Cli, people: People, tmp_path: Path
) -> None:
    town = copy_of(released, tmp_path / "town")
    engine = open_store(load_settings(root=town.root))

    def ask(command: str, name: str) -> tuple[int, str]:
        words = (command, "--key", str(people.key(name)), "--reason", "nonsense from the sensors")
        answer = cli(town.root, "--pilot", "lamps", *words, "--as-of", AS_OF)
        return answer.code, answer.err

    def stopped() -> str | None:
        known = live.current(engine, "lamps")
        assert known is not None
        return known[1].stopped

    for name, said in ((STRANGER, "Nobody enrolled the key"), ("Noor Haddad", "may not halt lamps")):
        code, error = ask("stop", name)
        assert (code, said in error, stopped()) == (1, True, None), error
    assert ask("stop", "Ines Moreau")[0] == 0
    assert stopped() == "nonsense from the sensors"
    assert "stopped: the fallback rule answers" in cli(town.root, "--pilot", "lamps", "status").out
    code, error = ask("restart", "Noor Haddad")
    assert (code, "cannot approve their own model" in error) == (1, True), error
    assert ask("restart", "Camille Laurent")[0] == 0
    assert stopped() is None
    *_, stop, restart = journal.entries(engine)
    signers = read_signers(people.signers)
    assert [(entry.kind, entry.by) for entry in (stop, restart)] == [
        ("stop", "Ines Moreau"), ("restart", "Camille Laurent"),
    ]  # fmt: skip
    assert [signature_problem(entry, signers) for entry in (stop, restart)] == [None, None]
    assert cli(town.root, "--pilot", "lamps", "journal", "verify").code == 0
