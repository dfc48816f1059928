"""The links that MLflow holds: what the release's manifest says against the run and the version it names."""

from __future__ import annotations

import json
from typing import Any

from governance.lineage.links import Link
from governance.origin import origin_of
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.lock import stages
from tremplin.release import Manifest
from tremplin.settings import Settings
from tremplin.tracking import tracking


def in_registry(settings: Settings, manifest: Manifest) -> list[Link]:
    """Run, commit, data, contract, lock and verdict: what the manifest says against what MLflow holds."""
    from mlflow.exceptions import MlflowException

    name = f"{manifest.mlflow_run}, version {manifest.model_version}"
    client = tracking(settings)
    try:
        run = client.get_run(manifest.mlflow_run)
        version = client.get_model_version(manifest.pilot, str(manifest.model_version))
    except MlflowException as error:
        return [
            Link(name="MLflow run", value=name, verified=False, detail=f"MLflow does not have it: {error}")
        ]
    tags = run.data.tags
    same_model = tags.get("tremplin.model") == manifest.files["model.onnx"]
    told = {title: tags.get(f"tremplin.{title}") for title in ("commit", "dirty", "data", "contract")}
    same_code = (told["commit"], told["dirty"]) == (manifest.commit, str(manifest.dirty).lower())
    remark = " (dirty: the code differed from it)" if manifest.dirty else ""
    return [
        Link(
            name="MLflow run",
            value=name,
            verified=version.run_id == manifest.mlflow_run and same_model,
            detail="the version is this run's, and its model is the release's model.onnx",
        ),
        _compared("commit", manifest.commit, same=same_code, remark=remark),
        _compared(
            "data",
            manifest.data_hash,
            same=told["data"] == manifest.data_hash,
            remark=_where_from(client, manifest),
        ),
        _compared("contract", manifest.contract_hash, same=told["contract"] == manifest.contract_hash),
        _lock(client, manifest),
        _verdict(client, manifest),
    ]


def _compared(name: str, value: str, *, same: bool, remark: str = "") -> Link:
    detail = f"release and run agree{remark}" if same else "release and run differ"
    return Link(name=name, value=value, verified=same, detail=detail)


def _where_from(client: Any, manifest: Manifest) -> str:
    """Window, rows and sources of the snapshot, as the run keeps them; empty where it keeps those of another, or none."""
    try:
        facts = json.loads(_artifact(client, manifest, "data/snapshot.json") or "{}")
        return f"; {origin_of(facts)}" if facts["sha256"] == manifest.data_hash else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _lock(client: Any, manifest: Manifest) -> Link:
    text = _artifact(client, manifest, "dvc.lock")
    try:
        hashed = digest(stages(text, manifest.pilot)) if text is not None else None
    except TremplinError:
        hashed = None
    detail = "hash computed again from the run's dvc.lock" if hashed else "the run has no readable dvc.lock"
    return Link(name="lock", value=manifest.lock_hash, verified=hashed == manifest.lock_hash, detail=detail)


def _verdict(client: Any, manifest: Manifest) -> Link:
    text = _artifact(client, manifest, "gate/verdict.json")
    if text is None:
        return Link(
            name="gate verdict", value=manifest.verdict_hash, verified=False, detail="the run has no verdict"
        )
    try:
        verdict = json.loads(text)
    except ValueError:
        detail = "the run's verdict is not JSON: it was overwritten"
        return Link(name="gate verdict", value=manifest.verdict_hash, verified=False, detail=detail)
    same = digest(verdict) == manifest.verdict_hash and verdict["model_hash"] == manifest.files["model.onnx"]
    passed = sum(check["passed"] for check in verdict["checks"])
    detail = f"{passed} of {len(verdict['checks'])} checks passed; hash computed again from the run's verdict"
    return Link(
        name="gate verdict", value=manifest.verdict_hash, verified=same and verdict["passed"], detail=detail
    )


def _artifact(client: Any, manifest: Manifest, path: str) -> str | None:
    import mlflow
    from mlflow.exceptions import MlflowException

    location = f"{client.get_run(manifest.mlflow_run).info.artifact_uri}/{path}"
    try:
        return str(mlflow.artifacts.load_text(location))
    except (MlflowException, OSError):
        return None
