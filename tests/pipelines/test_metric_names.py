"""A site may be called anything: its measures are recorded under names that MLflow takes, each its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow.entities import Metric

from monitoring.report import monitor_window
from monitoring.windows import month_window
from pipelines import evaluation, modeling, understanding
from pipelines.monitoring_runs import drift_reference, log_monitoring
from pipelines.recording import Recorded, record
from pipelines.recording.metric_names import metric_name
from tests.pipelines.lamp_town import AS_OF, lamps, town
from tests.results import Result, Sample
from tremplin.errors import TremplinError
from tremplin.frame import model_columns, model_frame
from tremplin.lock import md5_by_dvc
from tremplin.onnx_model import OnnxModel
from tremplin.release import GoNoGo, Manifest, Release, make_keys, write_release
from tremplin.store import insert_once, open_store, outcomes, predictions
from tremplin.tracking import tracking
from tremplin.workspace import cached

SITES = [
    "north", "Boston, MA", "Boston; MA", "Paris (Nord)", "R&D", "50+", "L'Isle", "St. Louis", "Kraków/Huta: 1", "Łódź",
    "..", "/", "a" * 300,
]  # fmt: skip


@dataclass(frozen=True)
class World:
    """A small result of a town with such sites, recorded, and its release."""

    result: Result
    recorded: Recorded
    release: Release

    def cache(self, path: Path) -> Path:
        """Where DVC would keep a file."""
        md5 = md5_by_dvc(path)
        assert md5
        return cached(self.result.root, md5)


@pytest.fixture(scope="module")
def world(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    result = Result(tmp_path_factory.mktemp("sites"), Sample("lamps", AS_OF))
    made = town(result.root)
    rows = lamps()
    rows["quarter"] = [SITES[int(key.partition("-")[0][1:]) % len(SITES)] for key in rows["check_id"]]
    made.write(rows)
    content = yaml.safe_load(result.path("contract.yaml").read_text("utf-8"))
    (quarter,) = (c for c in content["schema"][0]["properties"] if c["name"] == "quarter")
    quarter |= {"enum": [{"value": site} for site in SITES], "examples": SITES[:1]}
    result.path("contract.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    candidates = {"boosted": {"trees": 10}}
    policy = yaml.safe_load(result.path("pilot.yaml").read_text("utf-8"))["monitoring"]
    result.edit(model={"candidates": candidates}, monitoring=policy | {"minimum_site_rows": 50})
    result.prepare()
    for stage in (understanding, modeling, evaluation):
        stage.stage(result.pilot, result.paths)
    result.lock()
    result.settings.home.mkdir(parents=True)
    shutil.copy(empty_mlflow, result.settings.home / "mlflow.db")
    recorded = record(result.pilot, result.paths, result.settings, as_of=AS_OF)
    return World(result, recorded, _released(result, recorded))


def _released(result: Result, recorded: Recorded) -> Release:
    digest, settings = "0" * 64, result.settings
    go = GoNoGo(
        by="Camille Laurent", role="product owner", as_of=AS_OF, stand_in=True,
        journal_hash=digest, lock_hash=digest, verdict_hash=digest, model_hash=digest,
    )  # fmt: skip
    manifest = Manifest(
        pilot="lamps", as_of=AS_OF, model_version=recorded.model_version, mlflow_run=recorded.run_id, commit=recorded.commit,
        dirty=recorded.dirty, data_hash=recorded.data_hash, contract_hash=recorded.contract_hash, lock_hash=recorded.result_hash,
        verdict_hash=digest, go_no_go=go, decision_threshold=result.pilot.charter.decision_threshold, files={},
    )  # fmt: skip
    make_keys(settings.signing_key, settings.release_public_key)
    files = {"model.onnx": result.paths.model / "model.onnx", "contract.yaml": result.path("contract.yaml")}
    return write_release(settings.releases, files, manifest, settings.signing_key)


def test_mlflow_takes_every_name_and_keeps_them_apart(world: World) -> None:
    client = tracking(world.result.settings)
    run = client.create_run(client.get_run(world.recorded.run_id).info.experiment_id)
    sites = [*SITES, "", " ", ".", "\n", "a\tb", "e\u0301", "東京", "\ud800", "a" * 301]
    names = {
        metric_name(["performance", "by_site", site, "roc_auc"]): place for place, site in enumerate(sites)
    }
    client.log_batch(run.info.run_id, metrics=[Metric(name, place, 0, 0) for name, place in names.items()])
    assert client.get_run(run.info.run_id).data.metrics == names
    assert sorted(names.values()) == list(range(len(sites)))


def test_a_name_that_fits_is_left_as_it_is() -> None:
    assert metric_name(["by_site", "St. Louis", "brier_low"]) == "by_site.St. Louis.brier_low"


def test_two_sites_are_never_one_name() -> None:
    like = [
        "Boston, MA",
        "Boston; MA",
        "Boston_ MA",
        "Boston( MA",
        "a" * 300,
        "a" * 301,
        "a" * 300 + "!",
        "\u00e9",
        "e\u0301",
    ]
    names = {site: metric_name(["by_site", site, "brier"]) for site in like}
    assert [(one, two) for one, two in combinations(like, 2) if names[one] == names[two]] == []


def test_the_measures_of_each_site_are_recorded(world: World) -> None:
    metrics = tracking(world.result.settings).get_run(world.recorded.run_id).data.metrics
    measured = json.loads(world.result.paths.report(5, "evaluation").read_text("utf-8"))["by_site"]
    assert set(measured) == set(SITES)
    for site, values in measured.items():
        for measure in ("brier", "roc_auc"):
            value = values[measure]
            assert metrics[metric_name(["by_site", site, measure])] == pytest.approx(value["value"])
            assert metrics[metric_name(["by_site", site, f"{measure}_low"])] == pytest.approx(value["low"])
    assert {"by_site.north.brier", "by_site.St. Louis.brier"} <= set(metrics)


def test_a_month_of_each_site_is_recorded(world: World, tmp_path: Path) -> None:
    result, settings, engine = world.result, world.result.settings, open_store(world.result.settings)
    pilot = result.pilot
    rows = result.part("evaluation")
    scores = OnnxModel(result.paths.model / "model.onnx", pilot.contract).score(
        model_columns(model_frame(rows, pilot.contract))
    )
    sent = json.loads(
        rows[[c.name for c in pilot.contract.request_columns]].to_json(orient="records", date_format="iso")
    )
    keys, label_time = rows["check_id"], rows["failed_known_at"]
    answers = [
        {
            "prediction_id": key, "pilot": "lamps", "release_id": world.release.id, "cohort": "champion", "key": key,
            "subject": None, "event_time": event.to_pydatetime(), "received_at": event.to_pydatetime(), "score": float(score),
            "decision": bool(score >= pilot.charter.decision_threshold), "excluded": None, "row": row,
        }
        for key, event, score, row in zip(keys, rows["morning"], scores, sent, strict=True)
    ]  # fmt: skip
    insert_once(engine, predictions, answers)
    known = [
        {"pilot": "lamps", "key": key, "label": float(label), "known_at": at.to_pydatetime()}
        for key, label, at in zip(keys, rows["failed"], label_time, strict=True)
    ]
    insert_once(engine, outcomes, known)
    evidence = monitor_window(
        engine, pilot, month_window("2024-04", "Europe/Paris"), as_of=AS_OF + timedelta(days=60), release_id=world.release.id,
        release_profile={"performance": json.loads(result.paths.report(5, "evaluation").read_text("utf-8"))},
        reference=pd.read_parquet(result.paths.model / "reference.parquet"), folder=tmp_path, people=lambda *_: rows,
    )  # fmt: skip
    decided = {"action": "wait", "reasons": ["nothing moved"]}
    facts = evidence.model_dump(mode="json")
    log_monitoring(settings, world.release, "2024-04", tmp_path, evidence=facts, decision=decided)
    client = tracking(settings)
    experiment = client.get_experiment_by_name("lamps")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id], "tags.`tremplin.decision` = 'wait'")
    metrics = run.data.metrics
    of_sites = facts["performance"]["sites"]
    assert set(of_sites) == set(SITES)
    for site in SITES:
        path = ["performance", "sites", site, "rows"]
        assert metrics[metric_name(path)] == of_sites[site]["rows"]
    assert run.info.status == "FINISHED"


def test_the_rows_that_drift_is_measured_against_are_found_by_their_hash(world: World) -> None:
    result = world.result
    model, settings = result.paths.model, result.settings
    files = {path.relative_to(model).as_posix(): path for path in model.rglob("*") if path.is_file()}
    listing = [
        {"md5": md5_by_dvc(files[name]), "relpath": name} for name in sorted(files)
    ]  # as DVC writes it: its hash is the folder's
    kept = world.cache(model)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(listing, sort_keys=True), "utf-8")
    rows = world.cache(model / "reference.parquet")
    with pytest.raises(TremplinError, match=r"not in DVC's cache.*is not there: `dvc pull`"):
        drift_reference(settings, world.release)
    rows.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(model / "reference.parquet", rows)
    found = drift_reference(settings, world.release)
    assert len(found) == len(pd.read_parquet(model / "reference.parquet"))
    rows.write_bytes(rows.read_bytes()[:-9])
    with pytest.raises(TremplinError, match="is damaged"):
        drift_reference(settings, world.release)
    kept.unlink()
    with pytest.raises(TremplinError, match="is not there"):
        drift_reference(settings, world.release)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"MLflow has no readable dvc\.lock on the run"),
        (b"\xff", r"MLflow has no readable dvc\.lock on the run"),
        (b"{}", r"dvc\.lock has no result of the pilot lamps"),
        (b"stages: {modeling@lamps: {outs: []}}", r"names no models/lamps/reference\.parquet"),
    ],
    ids=["lost", "no text", "empty", "of nothing"],
)
def test_a_run_without_the_lock_is_said_in_a_sentence(world: World, content: bytes | None, said: str) -> None:
    settings = world.result.settings
    lock = settings.home / "mlartifacts" / "lamps" / world.recorded.run_id / "artifacts" / "dvc.lock"
    before = lock.read_bytes()
    try:
        lock.unlink() if content is None else lock.write_bytes(content)
        with pytest.raises(TremplinError, match=said):
            drift_reference(settings, world.release)
    finally:
        lock.write_bytes(before)


def test_a_run_that_mlflow_does_not_have_is_said_in_a_sentence(world: World) -> None:
    manifest = world.release.manifest.model_copy(update={"mlflow_run": "0" * 32})
    lost = Release(world.release.id, world.release.path, manifest)
    with pytest.raises(TremplinError, match=r"no readable dvc\.lock on the run 000"):
        drift_reference(world.result.settings, lost)
