"""The demo of the second pilot, played in the world that the first one's demo may have left: one store, one MLflow.

Minutes: `make test-support`, not `make test`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.tremplin_cli import CHECKOUT, tremplin
from tremplin import journal, live
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store, predictions
from tremplin.tracking import tracking

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

ROOT = CHECKOUT / ".tremplin" / "demo"


@dataclass(frozen=True)
class Played:
    """What the demo said, and what it left."""

    said: str
    settings: Settings
    engine: Engine
    pilot: Pilot

    def entries(self, kind: str) -> list[journal.Entry]:
        return journal.entries(self.engine, pilot="support", kind=kind)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    done = tremplin(CHECKOUT, "demo", "--pilot", "support", HOME=str(tmp_path_factory.mktemp("home")))
    assert done.returncode == 0, done.stdout + done.stderr
    settings = load_settings(root=ROOT)
    engine = open_store(settings)
    yield Played(done.stdout, settings, engine, load_pilot("support", ROOT))
    engine.dispose()


@pytest.fixture(scope="module")
def answers(demo: Played) -> pd.DataFrame:
    with demo.engine.connect() as connection:
        found = connection.execute(sa.select(predictions).where(predictions.c.pilot == "support")).mappings()
        return pd.DataFrame([dict(row) for row in found])


def test_every_resident_of_the_year_was_asked_about_once(demo: Played, answers: pd.DataFrame) -> None:
    times = answers["event_time"]
    rows = demo.pilot.source.fetch(
        times.min().to_pydatetime(), (times.max() + pd.Timedelta("1s")).to_pydatetime()
    )
    assert len(answers) > 44_390  # the year 2016, and the days until its last label
    assert sorted(answers["key"]) == sorted(rows["resident"])


def test_nothing_held_apart_was_sent_or_logged(demo: Played, answers: pd.DataFrame) -> None:
    sent = set().union(*answers["row"])
    assert sent == {column.name for column in demo.pilot.contract.request_columns}
    assert not sent & {column.name for column in demo.pilot.contract.held_apart}


def test_who_got_no_answer_was_told_why(answers: pd.DataFrame) -> None:
    without = answers[answers["score"].isna()]
    assert without["excluded"].notna().all()
    assert set(without["row"].map(lambda row: row["household_part"])) == {"parent"}
    assert answers["excluded"].notna().sum() == len(without)


def test_each_month_was_measured_and_none_asked_for_retraining(demo: Played) -> None:
    assert [entry.facts["window"] for entry in demo.entries("monitoring")] == [
        f"2016-{month:02d}" for month in range(1, 13)
    ]
    assert demo.entries("retraining") == []
    assert "did not ask for retraining" in demo.said


def test_each_month_was_looked_at_for_fairness_and_none_accuses_an_honest_model(demo: Played) -> None:
    for path in sorted((demo.settings.home / "monitoring" / "support").glob("2016-??.json")):
        found = json.loads(path.read_text("utf-8"))["fairness"]
        assert found["joined"] == found["answers"] > 0
        assert {gap["column"] for gap in found["gaps"]} >= {"sex", "disability", "foreign_born"}
    assert not any("beyond the charter" in " ".join(e.facts["reasons"]) for e in demo.entries("monitoring"))
    client = tracking(demo.settings)
    experiment = client.get_experiment_by_name("support")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`tremplin.window` LIKE '2016-%'")
    assert len(runs) == 12
    assert all("fairness.true_positive_rate.sex.female" in run.data.metrics for run in runs)


def test_the_worse_model_was_blocked(demo: Played) -> None:
    passed, blocked = sorted(demo.entries("verdict"), key=lambda entry: not entry.facts["passed"])
    assert (passed.facts["passed"], blocked.facts["passed"]) == (True, False)
    assert "baseline" in blocked.facts["blocked_by"]


def test_pilots_share_the_world_and_not_their_models(demo: Played) -> None:
    assert journal.verify(demo.engine) == []
    known = live.current(demo.engine, "support")
    assert known is not None
    client = tracking(demo.settings)
    (version,) = client.search_model_versions(
        f"name = 'support' and tags.`tremplin.release` = '{known[1].champion}'"
    )
    assert client.get_registered_model("support").aliases == {"champion": version.version}
    first = live.current(demo.engine, "flights")
    assert first is None or first[1].champion != known[1].champion
