"""Monitoring's side of MLflow, DVC and the journal: the drift baseline of a release, one run for each window that was measured,
and one line for each thing that was decided after it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Engine

from pipelines.recording.metric_names import metric_name
from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.journal import BY_MACHINE, Entry
from tremplin.lock import stages
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.tracking import tracking
from tremplin.workspace import cached

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "reference.parquet"
RETRAINING = "retraining"
LOOKS = (RETRAINING, "monitoring")  # kinds of entries: what was decided after a window
WINDOW = "tremplin.window"  # tag that names a window and the release it was measured for


def drift_reference(settings: Settings, release: Release) -> pd.DataFrame:
    """Training rows that drift is measured against: never in a release, found in DVC's cache by the hash in the run's lock.

    Raises:
        TremplinError: the run or the rows are not there (erased, or another machine's: ``dvc pull``), or not as they were.
    """
    import pandas as pd

    model = f"models/{release.manifest.pilot}"
    made, files = _outputs(settings, release), {}
    if model in made:
        listing = _content(settings, release, made[model])  # of a folder: the list of its files
        files = {item["relpath"]: item["md5"] for item in json.loads(listing)}
    if REFERENCE not in files:
        raise TremplinError(
            f"The dvc.lock of release {release.id} names no {model}/{REFERENCE}: nothing to measure drift against. "
            "Train it again with the stages of dvc.yaml."
        )
    return pd.read_parquet(io.BytesIO(_content(settings, release, files[REFERENCE])))


def _outputs(settings: Settings, release: Release) -> dict[str, str]:
    """DVC's hash of what the stages made, by path, from the lock of the release's run."""
    pilot, run_id = release.manifest.pilot, release.manifest.mlflow_run
    tracking(settings)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        lock = mlflow.artifacts.load_text(f"runs:/{run_id}/dvc.lock")
    except (MlflowException, OSError, UnicodeDecodeError) as error:
        raise TremplinError(
            f"MLflow has no readable dvc.lock on the run {run_id} of release {release.id}: {error}. It names the training rows "
            "that drift is measured against. Restore MLflow's artifacts, or look at TREMPLIN_MLFLOW_TRACKING_URI."
        ) from error
    return {
        out["path"]: out["md5"] for stage in stages(lock, pilot).values() for out in stage.get("outs", [])
    }


def _content(settings: Settings, release: Release, md5: str) -> bytes:
    """The bytes that DVC's cache keeps under that hash, hashed again."""
    path = cached(settings.root, md5)
    there = path.read_bytes() if path.is_file() else b""
    found = hashlib.md5(there, usedforsecurity=False).hexdigest()
    if found != md5.removesuffix(".dir"):
        damaged = (
            f"{path} is damaged: remove it, and `dvc pull`" if there else f"{path} is not there: `dvc pull`"
        )
        raise TremplinError(f"The training rows of release {release.id} are not in DVC's cache. {damaged}.")
    return there


def retrainings_before(
    engine: Engine, pilot: str, window: str, release: str, as_of: datetime
) -> list[datetime]:
    """When retraining was decided before: not by this window of this release, which may be looked at again."""
    decided = journal.entries(engine, pilot=pilot, kind="retraining")
    return [e.as_of for e in decided if e.as_of < as_of and not _is_of(e, window, release)]


def journal_decision(engine: Engine, pilot: str, facts: dict[str, Any], *, as_of: datetime) -> Entry:
    """Write down what was decided after a window. The window is the look, whatever the time of the run: what was decided before
    and is decided again is not written again, and a window leads to one retraining at most.

    Args:
        facts: ``window``, ``release``, ``action`` and ``reasons``, as JSON's types.
    """
    window, release = facts["window"], facts["release"]
    before = [e for e in journal.entries(engine, pilot=pilot) if e.kind in LOOKS and e.as_of <= as_of]
    known = next((e for e in reversed(before) if _is_of(e, window, release)), None)
    if known and (known.kind == RETRAINING or known.facts == facts):
        return known
    return journal.append(
        engine,
        RETRAINING if facts["action"] == "retrain" else "monitoring",
        identity=f"{window}:{release}:{as_of.isoformat()}",
        pilot=pilot,
        by=BY_MACHINE,
        as_of=as_of,
        facts=facts,
    )


def _is_of(entry: Entry, window: str, release: str) -> bool:
    return (entry.facts["window"], entry.facts["release"]) == (window, release)


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
        place = metric_name(["fairness", gap["measure"], gap["column"], gap["group"]])
        client.log_metric(run_id, place, gap["value"])
    for path in sorted(folder.glob(f"{window}*")):
        client.log_artifact(run_id, str(path), "monitoring")
    client.set_terminated(run_id)


def _numbers(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every number, under its path; ``value`` is left out of the path."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, (*path, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield metric_name(path if key == "value" else (*path, key)), float(value)
