"""The links that MLflow holds: what the release's manifest says, against the files of the run and the version it names."""

from __future__ import annotations

import json
from collections.abc import Mapping

from governance.lineage.links import Link, compared
from governance.lineage.origins import charter, code, contract, data
from governance.lineage.run_files import Lock, RunFiles, md5, read_lock, sha256_of
from tremplin.canonical import digest
from tremplin.release import Manifest, Release
from tremplin.settings import Settings
from tremplin.tracking import tracking


def in_registry(settings: Settings, release: Release) -> list[Link]:
    """Run, commit, data, contract, charter, lock, reports and verdict: the manifest's hashes, computed again from what MLflow,
    DVC's cache and git keep."""
    from mlflow.exceptions import MlflowException

    manifest = release.manifest
    name = f"{manifest.mlflow_run}, version {manifest.model_version}"
    client = tracking(settings)
    try:
        run = client.get_run(manifest.mlflow_run)
        version = client.get_model_version(manifest.pilot, str(manifest.model_version))
        model = client.get_model_version_download_uri(manifest.pilot, str(manifest.model_version))
    except MlflowException as error:
        return [
            Link(name="MLflow run", value=name, verified=False, detail=f"MLflow does not have it: {error}")
        ]
    tags, files = run.data.tags, RunFiles(run.info.artifact_uri, model)
    lock = read_lock(files.read("dvc.lock"), manifest.pilot)
    believed = lock if lock and lock.hash == manifest.lock_hash else None
    return [
        _model(name, manifest, tags, files, of_run=version.run_id == manifest.mlflow_run),
        code(settings.root, manifest, tags, believed),
        data(settings.root, manifest, tags, believed, files),
        contract(release, tags, believed, files),
        charter(settings.root, manifest, tags, files),
        _lock(manifest, lock),
        _reports(manifest, believed, files),
        _verdict(manifest, files),
    ]


def _model(name: str, manifest: Manifest, tags: Mapping[str, str], files: RunFiles, *, of_run: bool) -> Link:
    logged, released = files.model(), manifest.files["model.onnx"]
    return compared(
        "MLflow run",
        name,
        "the version is this run's, and the model logged with it is the release's model.onnx, hashed again",
        wrong=[
            None if of_run else "the version is another run's",
            None if tags.get("tremplin.model") == released else "the run names another model than the release has",
            "the version has no model.onnx" if logged is None else None,
            None if logged is None or sha256_of(logged) == released else "the model.onnx logged with it is not the release's",
        ],
    )  # fmt: skip


def _lock(manifest: Manifest, lock: Lock | None) -> Link:
    if lock is None:
        wrong = "the run has no readable dvc.lock"
    else:
        wrong = "" if lock.hash == manifest.lock_hash else "the run's dvc.lock is not the release's"
    return compared("lock", manifest.lock_hash, "hash computed again from the run's dvc.lock", wrong=[wrong])


def _reports(manifest: Manifest, lock: Lock | None, files: RunFiles) -> Link:
    folder = f"reports/{manifest.pilot}/"
    there = {name: md5(content) for name, content in files.reports().items()}
    value = ", ".join(there) or "none"
    if lock is None:
        said = "cannot be compared without the run's dvc.lock"
        return Link(name="reports", value=value, verified=None, detail=said)
    made = {
        path.removeprefix(folder): hashed
        for path, hashed in lock.outputs.items()
        if path.startswith(folder) and path.endswith(".json")
    }
    differing = [name for name in sorted({*made, *there}) if made.get(name) != there.get(name)]
    return compared(
        "reports",
        value,
        f"{len(made)} reports of the run are those that the lock names, by DVC's hash",
        wrong=[f"{name} of the run is not the lock's" for name in differing],
        unknown=[None if made else "the lock names none"],
    )


def _verdict(manifest: Manifest, files: RunFiles) -> Link:
    content = files.read("gate/verdict.json")
    try:
        verdict = None if content is None else json.loads(content)
        hashed = digest(verdict)
    except ValueError:  # not JSON, or a number that has no form in it
        verdict = hashed = None
    if content is None or hashed != manifest.verdict_hash:
        wrong = "the run has no verdict" if content is None else "the run's verdict is not the release's"
        return Link(name="gate verdict", value=manifest.verdict_hash, verified=False, detail=wrong)
    assert isinstance(verdict, dict)  # what the release was made with
    passed = sum(check["passed"] for check in verdict["checks"])
    of_model = verdict["model_hash"] == manifest.files["model.onnx"]
    return compared(
        "gate verdict",
        manifest.verdict_hash,
        f"{passed} of {len(verdict['checks'])} checks passed; hash computed again from the run's verdict",
        wrong=[
            None if of_model else "it is of another model",
            None if verdict["passed"] else "it blocked the model",
        ],
    )
