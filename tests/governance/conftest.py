"""A released model and an answer of it, shared by the tests that follow it back."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from governance.approvals import approve
from governance.model_card import model_card
from pipelines.deployment import make_release
from pipelines.gate import gate
from pipelines.gate.looks import Window
from pipelines.judgements import circumstances, journal_verdict
from pipelines.recording import attach_verdict, record
from pipelines.verdict import facts, verdict_hash
from tests.governance.served import CODE, GIT, Served
from tests.people import make_people
from tests.results import AS_OF, Result, made_again
from tremplin.lock import md5_by_dvc
from tremplin.onnx_model import OnnxModel
from tremplin.store import insert_once, open_store, predictions
from tremplin.workspace import cached


def as_in_a_checkout(result: Result) -> None:
    """Its code is a commit, the lock names it as DVC does, and DVC's cache has the rows."""
    lock = result.root / "dvc.lock"
    content = yaml.safe_load(lock.read_text("utf-8"))
    (entry,) = content["stages"].values()
    entry["deps"] += [
        {"path": path, "hash": "md5", "md5": md5_by_dvc(result.root / path)}
        for path in [*CODE, "data/flights/prepared"]  # made by a stage: no code
    ]
    lock.write_text(yaml.safe_dump(content), "utf-8")
    md5 = md5_by_dvc(result.paths.snapshot)
    assert md5
    kept = cached(result.root, md5)
    kept.parent.mkdir(parents=True)
    shutil.copy(result.paths.snapshot, kept)
    for words in (["init", "--quiet"], ["add", "pilots"], ["commit", "--quiet", "--message", "The pilot"]):
        subprocess.run([*GIT, *words], cwd=result.root, check=True)


@pytest.fixture(scope="package")
def original(honest_result: Result, empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    result = honest_result.copy(tmp_path_factory.mktemp("served"))
    as_in_a_checkout(result)
    settings, pilot, paths = result.settings, result.pilot, result.paths
    people = make_people(settings.allowed_signers.parent)
    shutil.copy(empty_mlflow, settings.home / "mlflow.db")
    engine = open_store(settings)
    verdict = gate(pilot, paths, champion=None, as_of=AS_OF, settings=settings, remade=made_again)
    recorded = attach_verdict(record(pilot, paths, settings, as_of=AS_OF), verdict, settings)
    journal_verdict(
        engine,
        verdict,
        recorded=recorded,
        under=circumstances(pilot, settings),
        evaluated=Window.of(paths, pilot.contract),
    )
    approval = approve(
        engine, pilot, version=recorded.model_version, by=people.signatory("Camille Laurent"), authors=(), as_of=AS_OF,
        commit=recorded.commit, lock_hash=recorded.result_hash, verdict=facts(verdict), verdict_hash=verdict_hash(verdict),
        model_hash=recorded.model_hash, stand_in=True,
    )  # fmt: skip
    modeling, evaluation = (
        json.loads(paths.report(number, name).read_text("utf-8"))
        for number, name in ((4, "modeling"), (5, "evaluation"))
    )
    snapshot = json.loads(paths.snapshot_facts.read_text("utf-8"))
    card = model_card(
        pilot, version=recorded.model_version, commit=recorded.commit, as_of=AS_OF, snapshot=snapshot, modeling=modeling,
        evaluation=evaluation, verdict=facts(verdict), approval=approval,
    )  # fmt: skip
    release = make_release(
        pilot, paths, settings, engine,
        recorded=recorded, verdict=verdict, approval=approval, as_of=AS_OF, card=card,
    )  # fmt: skip
    row = json.loads((paths.model / "profile.json").read_text("utf-8"))["smoke"]["rows"][0]
    columns = {feature.name: [row[feature.name]] for feature in pilot.contract.features}
    score = float(OnnxModel(paths.model / "model.onnx", pilot.contract).score(columns)[0])
    answer = {
        "prediction_id": "p1", "pilot": "flights", "release_id": release.id, "cohort": "champion", "key": row["flight_id"],
        "subject": row["desk"],
        "event_time": datetime.fromisoformat(row["scheduled_departure"]), "received_at": AS_OF, "score": score,
        "decision": score >= release.manifest.decision_threshold, "row": row,
        "excluded": None,
    }  # fmt: skip
    insert_once(engine, predictions, [answer])
    return Served(result, settings, engine, release)


@pytest.fixture
def served(original: Served, tmp_path: Path) -> Served:
    """A copy whose store, releases and keys may be spoilt; MLflow is the original's."""
    home = tmp_path / "home"
    shutil.copytree(original.settings.home, home, ignore=shutil.ignore_patterns("mlartifacts", "store.db*"))
    with original.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(original.settings.home / "store.db", home / "store.db")
    settings = original.result.settings.__class__(root=original.result.root, home=home)
    return Served(original.result, settings, open_store(settings), original.release)
