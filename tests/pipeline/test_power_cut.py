"""The power is cut within an approval; the same command again, and the world is as if nothing had happened.

All other commands and moments: ``test_power_cut_everywhere.py`` (`make test-faults`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.people import make_people
from tests.pipelines.lamp_town import Town
from tests.power_cut.moments import QUICK, Row, after
from tests.power_cut.worlds import KILLED, Worlds
from tests.tremplin_cli import copy_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]


@pytest.fixture(scope="module")
def worlds(lamp_run: Town, empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("worlds"), empty_mlflow)
    town = copy_of(lamp_run, made.folder / "run")
    make_people(town.root / ".tremplin" / "keys")
    made.add("run", town)
    yield made
    made.stop()


@pytest.mark.parametrize("row", QUICK, ids=str)
def test_an_approval_is_completed_and_every_fact_is_there_once(
    worlds: Worlds, tmp_path: Path, row: Row
) -> None:
    facts, expected = worlds.completed(row, tmp_path / "checkout"), worlds.undisturbed(row)
    for name in expected:
        assert facts[name] == expected[name], name


def test_a_moment_that_never_comes_cuts_nothing(worlds: Worlds, tmp_path: Path) -> None:
    """Else a table of moments would show nothing once a function has another name."""
    town = worlds.copy("run", tmp_path / "checkout")
    assert worlds.call(town, "status", moment=after("tremplin.journal:appended")) == 0
    assert worlds.call(town, "status", moment=after("tremplin.journal:entries")) == KILLED
