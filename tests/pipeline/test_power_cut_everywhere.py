"""The power is cut at each task's boundary and within each task of every flow: the same command again completes it.

Many minutes: `make test-faults`, not `make test`, which has the moments of an approval.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power_cut.facts import lines
from tests.power_cut.moments import APRIL, ROWS, Row, written
from tests.power_cut.worlds import KILLED, Worlds
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = pytest.mark.slow

MAY = "2024-05-20T00:00+00:00"


@pytest.fixture(scope="module")
def worlds(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("worlds"), empty_mlflow)
    yield made
    made.stop()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_it_is_completed_and_every_fact_is_there_once(worlds: Worlds, tmp_path: Path, row: Row) -> None:
    facts, expected = worlds.completed(row, tmp_path / "checkout"), worlds.undisturbed(row)
    for name in expected:
        assert facts[name] == expected[name], name


def test_a_retraining_whose_event_was_lost_is_told_again_on_another_day(
    worlds: Worlds, tmp_path: Path
) -> None:
    """The rerun finds the window decided already, and decides nothing anew: the event comes all the same."""
    town = worlds.copy("worse", tmp_path / "checkout")
    events = town.root / ".tremplin" / "events.jsonl"
    monitor = ("monitor", "2024-04", "--as-of")
    assert worlds.call(town, *monitor, APRIL, moment=written("retraining")) == KILLED
    assert lines(events) == []
    worlds.done(town, *monitor, MAY)
    engine = open_store(load_settings(root=town.root))
    assert len(journal.entries(engine, pilot="lamps", kind="retraining")) == 1
    engine.dispose()
    assert len(lines(events)) == 1
    worlds.done(town, "retraining", APRIL)
    worlds.done(town, *monitor, MAY)
    assert len(lines(events)) == 1, "a verdict came of it: it is due no more"
