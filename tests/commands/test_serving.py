"""``serve``, ``replay``, ``monitor``, ``trace``: a month of users, through the console script."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.commands.conftest import Cli
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, SCRIPT, copy_of, environment, tremplin
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store, predictions

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

OF = ("--pilot", "lamps")
APRIL = ("--from", "2024-04-01", "--to", "2024-05-01", "--as-of", AS_OF)


@pytest.fixture(scope="module")
def played(released: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, str]]:
    """A server of the released model that answered about April's lamps, and its address."""
    town = copy_of(released, tmp_path_factory.mktemp("played") / "checkout")
    server = subprocess.Popen(
        [SCRIPT, *OF, "serve", "--port", "0"],
        cwd=town.root,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().split()[-1]
    done = tremplin(town.root, *OF, "replay", "--url", url, *APRIL, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["sent"], facts["skipped"]) == (1800, 0)
    assert 1650 < facts["outcomes"] < 1800, (
        "some lamps are taken down, the last ones' labels are not known yet"
    )
    yield town, url
    server.terminate()
    server.communicate(timeout=30)


def test_a_replay_again_sends_nothing(played: tuple[Town, str], cli: Cli) -> None:
    town, url = played
    answer = cli(town.root, *OF, "replay", "--url", url, *APRIL)
    assert answer.code == 0, answer.err
    assert "0 rows answered" in answer.out
    assert "1,800 had been; 0 new outcomes" in answer.out


def test_a_server_that_is_not_there_is_named(played: tuple[Town, str], cli: Cli) -> None:
    answer = cli(
        played[0].root,
        *OF,
        "replay",
        "--url",
        "http://127.0.0.1:9",
        "--from",
        "2024-03-01",
        "--to",
        "2024-03-02",
    )
    assert answer.code == 1
    assert "127.0.0.1:9" in answer.err


def test_an_answer_is_traced(played: tuple[Town, str], cli: Cli) -> None:
    town, _ = played
    with open_store(load_settings(root=town.root)).connect() as connection:
        prediction = connection.scalars(sa.select(predictions.c.prediction_id).limit(1)).one()
    found = json.loads(cli(town.root, *OF, "trace", prediction, "--json").out)
    assert {link["name"] for link in found["links"] if link["verified"] is False} == set()
    assert "Camille Laurent" in cli(town.root, *OF, "trace", prediction).out


def test_a_broken_trace_is_an_error(played: tuple[Town, str], cli: Cli, tmp_path: Path) -> None:
    town = copy_of(played[0], tmp_path / "broken")
    engine = open_store(load_settings(root=town.root))
    with engine.begin() as connection:
        prediction = connection.scalars(sa.select(predictions.c.prediction_id).limit(1)).one()
        connection.execute(sa.update(predictions).values(score=0.5))
    answer = cli(town.root, *OF, "trace", prediction)
    assert answer.code == 1
    assert f"The trace of {prediction} is broken at: prediction." in answer.err


def test_a_month_is_measured_and_decided(played: tuple[Town, str]) -> None:
    town, _ = played
    done = tremplin(town.root, *OF, "monitor", "2024-04", "--as-of", AS_OF, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["action"] in ("wait", "watch")
    assert found["reasons"]
    assert Path(found["report"]).stat().st_size > 100_000
    (entry,) = journal.entries(open_store(load_settings(root=town.root)), kind="monitoring")
    assert (entry.facts["window"], entry.facts["action"]) == ("2024-04", found["action"])


def test_a_month_looked_at_again_without_a_time_is_one_look(played: tuple[Town, str], tmp_path: Path) -> None:
    """As of now, whenever that is: a run that was killed and begun again looks at the same window."""
    town = copy_of(played[0], tmp_path / "again")
    engine, written = open_store(load_settings(root=town.root)), []
    for _ in range(2):
        done = tremplin(town.root, *OF, "monitor", "2024-04", "--json")
        assert done.returncode == 0, done.stderr
        written.append([entry.number for entry in journal.entries(engine) if "window" in entry.facts])
    assert written[0] == written[1] != []
