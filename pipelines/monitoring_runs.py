"""Monitoring's side of MLflow and DVC: the drift baseline of a release, and one run for each window that was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tremplin.errors import TremplinError
from tremplin.lock import stages
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.tracking import tracking
from tremplin.workspace import cache_of

if TYPE_CHECKING:
    import pandas as pd

UNNAMEABLE = re.compile(r"[^\w.\- ]")  # what MLflow refuses in the name of a metric
WINDOW = "tremplin.window"  # tag that names a window and the release it was measured for


def drift_reference(settings: Settings, release: Release) -> pd.DataFrame:
    """Training rows that drift is measured against: never in a release, found in DVC's cache by the hash in the run's lock.

    Raises:
        TremplinError: the run or the rows are not there (erased, or another machine's: ``dvc pull``).
    """
    import mlflow
    import pandas as pd

    pilot, run_id = release.manifest.pilot, release.manifest.mlflow_run
    tracking(settings)
    lock = mlflow.artifacts.load_text(f"runs:/{run_id}/dvc.lock")
    cache = cache_of(settings.root) / "files" / "md5"
    outs = {
        out["path"]: out["md5"] for stage in stages(lock, pilot).values() for out in stage.get("outs", [])
    }
    path = _cached(cache, outs.get(f"models/{pilot}", ""))
    if path.exists():  # a folder: the list of its files
        files = {item["relpath"]: item["md5"] for item in json.loads(path.read_text("utf-8"))}
        path = _cached(cache, files["reference.parquet"])
    if not path.exists():
        raise TremplinError(
            f"The training rows of release {release.id} are not in DVC's cache {cache}: `dvc pull`."
        )
    return pd.read_parquet(path)


def _cached(cache: Path, md5: str) -> Path:
    """Where DVC keeps the content with that hash."""
    return cache / md5[:2] / md5[2:]


def log_monitoring(
    settings: Settings,
    release: Release,
    window: str,
    folder: Path,
    *,
    evidence: Mapping[str, Any],
    decision: Mapping[str, Any],
) -> None:
    """One MLflow run for a window and a release, beside the run of the model; measured again, the run is written again."""
    client = tracking(settings)
    model_run = client.get_run(release.manifest.mlflow_run)
    experiment, name = model_run.info.experiment_id, f"{window} {release.id}"
    known = client.search_runs([experiment], f"tags.`{WINDOW}` = '{name}'")
    tags = {
        WINDOW: name,
        "tremplin.release": release.id,
        "tremplin.model_run": release.manifest.mlflow_run,
        "tremplin.decision": str(decision["action"]),
        "mlflow.note.content": "\n\n".join(decision["reasons"]),
    }
    run = known[0] if known else client.create_run(experiment, run_name=f"monitoring {window}", tags=tags)
    run_id = run.info.run_id
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    for metric, number in _numbers(evidence):
        client.log_metric(run_id, metric, number)
    for gap in (evidence["fairness"] or {}).get("gaps", []):
        place = UNNAMEABLE.sub("_", f"fairness.{gap['measure']}.{gap['column']}.{gap['group']}")
        client.log_metric(run_id, place, gap["value"])
    for path in sorted(folder.glob(f"{window}*")):
        client.log_artifact(run_id, str(path), "monitoring")
    client.set_terminated(run_id)


def _numbers(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number, under its path; ``value`` is left out of the path."""
    for key, value in content.items():
        name = prefix if key == "value" else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, Mapping):
            yield from _numbers(value, name)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
