"""One MLflow run a result: how good it was, on which data, from which code, and the registered version that came of it.

A result is identified by the hash of its pilot's entries of ``dvc.lock``. Recording it twice is a no-op, and a recording that
was interrupted is completed: the run is found by its tag, the version by its run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.verdict import Verdict, canonical_json, facts, verdict_hash, verdict_markdown
from tremplin.code_version import code_version
from tremplin.errors import TremplinError
from tremplin.lock import changed_since, md5_of, result_hash
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.release import sha256
from tremplin.settings import Settings
from tremplin.tracking import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Recorded", "attach_verdict", "record", "result_hash", "set_aliases", "version_facts"]

RESULT = "tremplin.result"
VERDICT = "tremplin.verdict"
VERDICT_HASH = "tremplin.verdict_hash"
PASSED, BLOCKED = "passed", "blocked"
CHECKS = "gate/checks.json"


@dataclass(frozen=True)
class Recorded:
    """A result as MLflow knows it."""

    pilot: str
    run_id: str
    model_version: int
    result_hash: str
    commit: str
    dirty: bool
    data_hash: str
    contract_hash: str
    model_hash: str
    verdict: str | None  # passed, blocked, or None before the gate
    verdict_hash: str | None
    created: bool  # whether this call made the run


def record(pilot: Pilot, paths: Paths, settings: Settings, *, as_of: datetime) -> Recorded:
    """Write the result that lies under ``paths`` to MLflow: one run, one version of the model ``pilot.name``.

    A new version gets the alias ``challenger``; the gate takes it away again from a version that it blocks.

    Raises:
        TremplinError: a file is not what ``dvc.lock`` says, or MLflow does not answer.
    """
    found = result_hash(paths.root, pilot.name)
    changed = changed_since(paths.root, pilot.name, code=True)
    if changed:
        raise TremplinError(
            f"This is not the result that dvc.lock describes: {', '.join(changed)} changed or missing. "
            "Run `dvc repro` again (or `dvc checkout`), so that what is recorded is what was made."
        )
    client = tracking(settings)
    run_id, created = _finished_run(client, pilot, found), False
    if run_id is None:
        run_id, created = (
            _write_run(
                client, pilot, paths, settings, tags=_tags(pilot, paths, settings, found, as_of), as_of=as_of
            ),
            True,
        )
    version = _register(client, pilot.name, run_id)
    return _read(client, pilot.name, version, created=created)


def attach_verdict(recorded: Recorded, verdict: Verdict, settings: Settings) -> Recorded:
    """Put the gate's verdict on the run (tags, ``gate/``) and on the version; a blocked version is no challenger.

    Raises:
        TremplinError: the verdict is of another model.
    """
    if verdict.model_hash != recorded.model_hash or verdict.pilot != recorded.pilot:
        raise TremplinError(
            f"The verdict is of the model {verdict.model_hash[:12]} of {verdict.pilot}; version {recorded.model_version} of "
            f"{recorded.pilot} is {recorded.model_hash[:12]}. Run the gate on the recorded result."
        )
    client, name, version = tracking(settings), recorded.pilot, str(recorded.model_version)
    run_id, hashed = recorded.run_id, verdict_hash(verdict)
    if client.get_run(run_id).data.tags.get(VERDICT_HASH) != hashed:
        client.log_text(run_id, canonical_json(verdict).decode(), "gate/verdict.json")
        client.log_text(run_id, verdict_markdown(verdict), "gate/verdict.md")
        client.log_dict(run_id, _table(verdict), CHECKS)
        # What `log_table` would leave, without adding to the table of an earlier verdict: MLflow's pages show it.
        client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": CHECKS, "type": "table"}]))
    tags = {
        VERDICT: PASSED if verdict.passed else BLOCKED,
        "tremplin.blocked_by": ", ".join(verdict.blocked_by),
    }
    for key, value in {**tags, VERDICT_HASH: hashed}.items():  # the hash last: with it, the rest is there
        client.set_model_version_tag(name, version, key, value)
        client.set_tag(run_id, key, value)
    aliases = client.get_model_version(name, version).aliases
    if not verdict.passed and "challenger" in aliases:
        client.delete_registered_model_alias(name, "challenger")
    elif verdict.passed and not {"champion", "previous"} & set(aliases):
        client.set_registered_model_alias(name, "challenger", version)
    return _read(client, name, recorded.model_version, created=recorded.created)


def _table(verdict: Verdict) -> dict[str, Any]:
    rows = [{**check, "interval": str(check["interval"] or "")} for check in facts(verdict)["checks"]]
    return {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}


def set_aliases(
    settings: Settings, pilot: str, *, champion: int | None, challenger: int | None, previous: int | None
) -> None:
    """Make MLflow's aliases say what is live; None takes an alias away."""
    client = tracking(settings)
    present = client.get_registered_model(pilot).aliases
    for alias, version in (("champion", champion), ("challenger", challenger), ("previous", previous)):
        if version is not None:
            client.set_registered_model_alias(pilot, alias, str(version))
        elif alias in present:
            client.delete_registered_model_alias(pilot, alias)


def tag_version(settings: Settings, pilot: str, version: int, tags: dict[str, str]) -> None:
    """Link a version and its run to what came of it: release, approval."""
    client = tracking(settings)
    run_id = _version(client, pilot, version).run_id
    for key, value in tags.items():
        client.set_model_version_tag(pilot, str(version), f"tremplin.{key}", value)
        client.set_tag(run_id, f"tremplin.{key}", value)


def version_facts(settings: Settings, pilot: str, version: int) -> Recorded:
    """What MLflow knows of a version.

    Raises:
        TremplinError: there is no such version.
    """
    return _read(tracking(settings), pilot, version, created=False)


def _finished_run(client: MlflowClient, pilot: Pilot, found: str) -> str | None:
    """The finished run of this result. One that was interrupted is marked failed, and another takes its place."""
    experiment = client.get_experiment_by_name(pilot.name)
    if experiment is None:
        return None
    finished = None
    for run in client.search_runs([experiment.experiment_id], f"tags.`{RESULT}` = '{found}'"):
        if run.info.status == "FINISHED":
            finished = str(run.info.run_id)
        elif run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, status="FAILED")
    return finished


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
        "data_md5": md5_of(paths.root, pilot.name)[paths.snapshot.relative_to(paths.root).as_posix()],
        "contract": pilot.contract_hash,
        "lock": found,
        "model": sha256(paths.model / "model.onnx"),
    }
    return {RESULT: found, "mlflow.source.git.commit": commit} | {
        f"tremplin.{key}": tags[key] for key in tags
    }


def _write_run(
    client: MlflowClient,
    pilot: Pilot,
    paths: Paths,
    settings: Settings,
    *,
    tags: dict[str, str],
    as_of: datetime,
) -> str:
    from mlflow.entities import Metric, Param

    from pipelines.recording_content import log_inputs, log_model, measurements, parameters

    experiment = client.get_experiment_by_name(pilot.name)
    experiment_id = experiment.experiment_id if experiment else _new_experiment(client, pilot.name, settings)
    run_id = str(
        client.create_run(experiment_id, tags=tags, run_name=f"{pilot.name} {as_of:%Y-%m-%d}").info.run_id
    )
    params = [Param(key, value) for key, value in parameters(pilot, paths).items()]
    metrics = [Metric(key, value, 0, 0) for key, value in measurements(pilot, paths).items()]
    client.log_batch(run_id, metrics=metrics, params=params)
    files = {paths.root / "dvc.lock": "", pilot.folder / "pilot.yaml": "", pilot.folder / "contract.yaml": ""}
    files |= dict.fromkeys(sorted(paths.reports.glob("*.json")), "reports")
    files |= dict.fromkeys(sorted((paths.reports / "plots").rglob("*.png")), "plots")
    for path, folder in files.items():
        client.log_artifact(run_id, str(path), folder or None)
    log_inputs(client, run_id, pilot, paths)
    log_model(run_id, pilot, paths)  # last: it also finishes the run
    return run_id


def _new_experiment(client: MlflowClient, name: str, settings: Settings) -> str:
    """A server keeps artifacts where it was told to; without one they lie under ``home``."""
    served = settings.mlflow_tracking_uri.startswith("http")
    location = None if served else (settings.home / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _register(client: MlflowClient, name: str, run_id: str) -> int:
    """The version of the run's model; made where it is missing. It is the challenger until the gate has spoken."""
    known = client.search_model_versions(f"run_id = '{run_id}'")
    version = known[0] if known else _new_version(client, name, run_id)
    if VERDICT not in version.tags:
        client.set_registered_model_alias(name, "challenger", version.version)
    return int(version.version)


def _new_version(client: MlflowClient, name: str, run_id: str) -> Any:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    run = client.get_run(run_id)
    model_id = run.outputs.model_outputs[0].model_id if run.outputs else None
    tags = {key: value for key, value in run.data.tags.items() if key.startswith("tremplin.")}
    return client.create_model_version(name, f"models:/{model_id}", run_id, tags=tags, model_id=model_id)


def _version(client: MlflowClient, name: str, version: int) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, str(version))
    except MlflowException as error:
        raise TremplinError(
            f"MLflow has no version {version} of the model {name} ({error}). See `tremplin status`."
        ) from error


def _read(client: MlflowClient, name: str, version: int, *, created: bool) -> Recorded:
    found = _version(client, name, version)
    tags = found.tags
    needed = [RESULT, *(f"tremplin.{name}" for name in ("commit", "dirty", "data", "contract", "model"))]
    missing = [name for name in needed if name not in tags]
    if missing:
        raise TremplinError(
            f"Version {version} of {name} has lost its tags {', '.join(missing)} in MLflow: its lineage cannot be read. "
            "Put them back from its run, which has the same tags."
        )
    return Recorded(
        pilot=name,
        run_id=found.run_id,
        model_version=version,
        result_hash=tags[RESULT],
        commit=tags["tremplin.commit"],
        dirty=tags["tremplin.dirty"] == "true",
        data_hash=tags["tremplin.data"],
        contract_hash=tags["tremplin.contract"],
        model_hash=tags["tremplin.model"],
        verdict=tags.get(VERDICT),
        verdict_hash=tags.get(VERDICT_HASH),
        created=created,
    )
