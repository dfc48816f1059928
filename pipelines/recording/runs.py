"""The MLflow run of a result: found by its tag, or written."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.recording.versions import RESULT
from tremplin.code_version import code_version
from tremplin.lock import md5_of
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.release import sha256
from tremplin.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def finished_run(client: MlflowClient, pilot: str, found: str) -> str | None:
    """The finished run of the result ``found``. One that was cut short is deleted, with its models: another takes its place."""
    experiment = client.get_experiment_by_name(pilot)
    if experiment is None:
        return None
    finished = None
    for run in client.search_runs([experiment.experiment_id], f"tags.`{RESULT}` = '{found}'"):
        if run.info.status == "FINISHED":
            finished = str(run.info.run_id)
        else:
            of_run = f"source_run_id = '{run.info.run_id}'"
            for model in client.search_logged_models([experiment.experiment_id], of_run):
                client.delete_logged_model(model.model_id)
            client.delete_run(run.info.run_id)  # as MLflow deletes: `mlflow gc` frees the space
    return finished


def write_run(
    client: MlflowClient,
    pilot: Pilot,
    paths: Paths,
    settings: Settings,
    *,
    found: str,
    as_of: datetime,
) -> str:
    """Write the run of the result ``found`` to its end; its id."""
    from mlflow.entities import Metric, Param

    from pipelines.recording.content import log_inputs, log_model, measurements, parameters

    experiment = client.get_experiment_by_name(pilot.name)
    experiment_id = experiment.experiment_id if experiment else _new_experiment(client, pilot.name, settings)
    tags = _tags(pilot, paths, settings, found, as_of)
    run = client.create_run(experiment_id, tags=tags, run_name=f"{pilot.name} {as_of:%Y-%m-%d}")
    run_id = str(run.info.run_id)
    params = [Param(key, value) for key, value in parameters(pilot, paths).items()]
    metrics = [Metric(key, value, 0, 0) for key, value in measurements(pilot, paths).items()]
    client.log_batch(run_id, metrics=metrics, params=params)
    files = {paths.root / "dvc.lock": "", pilot.folder / "pilot.yaml": "", pilot.folder / "contract.yaml": ""}
    files[paths.snapshot_facts] = "data"  # source, window, rows and hash of the snapshot
    named = md5_of(paths.root, pilot.name)  # a report that no stage made would be vouched for by nothing
    reports = (paths.root / path for path in sorted(named) if path.endswith(".json"))
    files |= dict.fromkeys((path for path in reports if path.parent == paths.reports), "reports")
    files |= dict.fromkeys(sorted((paths.reports / "plots").rglob("*.png")), "plots")
    for path, folder in files.items():
        client.log_artifact(run_id, str(path), folder or None)
    log_inputs(client, run_id, pilot, paths)
    log_model(run_id, pilot, paths)  # last: it also finishes the run
    return run_id


def _tags(pilot: Pilot, paths: Paths, settings: Settings, found: str, as_of: datetime) -> dict[str, str]:
    """What a result is made of, readable on the run and on the version."""
    commit, dirty = code_version(settings)
    snapshot = json.loads(paths.snapshot_facts.read_text("utf-8"))
    tags = {
        "pilot": pilot.name,
        "as_of": as_of.isoformat(),
        "commit": commit,
        "dirty": str(dirty).lower(),
        "data": snapshot["sha256"],
        "withdrawn": str(snapshot["withdrawn"]),  # rows
        "data_md5": md5_of(paths.root, pilot.name)[paths.snapshot.relative_to(paths.root).as_posix()],
        "contract": pilot.contract_hash,
        "lock": found,
        "pilot_file": sha256(pilot.folder / "pilot.yaml"),
        "snapshot_facts": sha256(paths.snapshot_facts),
        "model": sha256(paths.model / "model.onnx"),
    }
    return {RESULT: found, "mlflow.source.git.commit": commit} | {
        f"tremplin.{key}": tags[key] for key in tags
    }


def _new_experiment(client: MlflowClient, name: str, settings: Settings) -> str:
    """A server keeps artifacts where it was told to; without one they lie under ``home``."""
    served = settings.mlflow_tracking_uri.startswith("http")
    location = None if served else (settings.home / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))
