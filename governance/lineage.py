"""Lineage: from one answer back to the release, the run, the code, the rows, the gate and the person behind it.

Every link is verified where both of its ends can be read: a hash is computed again from what it is a hash of, never believed
because two records repeat it. A broken link is named; the links after it are still followed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.canonical import digest
from tremplin.contract import Contract, Strict, load_contract
from tremplin.errors import TremplinError
from tremplin.lock import stages
from tremplin.release import Manifest, Release, open_release
from tremplin.settings import Settings
from tremplin.store import outcomes, predictions
from tremplin.tracking import tracking

if TYPE_CHECKING:
    from rich.table import Table

CLOSE = 1e-6  # of a probability: the server may compute with another library than ONNX Runtime


class Link(Strict):
    """One step of the way."""

    name: str
    value: str
    verified: bool | None  # None where there is nothing to verify against
    detail: str


class Trace(Strict):
    """All steps, from the answer to its outcome."""

    prediction: str
    links: list[Link]

    @property
    def broken(self) -> list[str]:
        """Names of the links that do not hold."""
        return [link.name for link in self.links if link.verified is False]

    @property
    def unbroken(self) -> bool:
        """Whether every link that can be verified holds."""
        return not self.broken

    def table(self) -> Table:
        """A table for the console."""
        from rich.table import Table
        from rich.text import Text

        styles = {True: ("verified", "green"), False: ("BROKEN", "bold red"), None: ("-", "dim")}
        table = Table(title=f"Trace of {self.prediction}")
        for heading in ("link", "value", "", "how it was verified"):
            table.add_column(heading, overflow="fold")  # a hash is shown whole, to be copied
        for link in self.links:
            said, style = styles[link.verified]
            table.add_row(Text(link.name), Text(link.value), Text(said, style=style), Text(link.detail))
        return table


def trace(settings: Settings, engine: Engine, prediction_id: str) -> Trace:
    """Follow one answer back.

    Raises:
        TremplinError: there is no such prediction in the store.
    """
    with engine.connect() as connection:
        query = sa.select(predictions).where(predictions.c.prediction_id == prediction_id)
        row = connection.execute(query).mappings().first()
    if row is None:
        raise TremplinError(
            f"The store has no prediction {prediction_id!r}. Its id is in the answer of /predict."
        )
    prediction = dict(row)
    links: list[Link] = []
    try:
        path = settings.releases / prediction["release_id"]
        release = open_release(path, settings.release_public_key, pilot=prediction["pilot"])
    except TremplinError as error:
        links += [
            _asked(prediction, None),
            Link(name="release", value=prediction["release_id"], verified=False, detail=str(error)),
        ]
        return Trace(prediction=prediction_id, links=[*links, _outcome(engine, prediction)])
    links += [_asked(prediction, release), _release(prediction, release)]
    links += _run(settings, release.manifest)
    links += [_approval(engine, release.manifest), _outcome(engine, prediction)]
    return Trace(prediction=prediction_id, links=links)


def _asked(prediction: dict[str, Any], release: Release | None) -> Link:
    value = f"{prediction['key']}: {prediction['score']:.4f}, {prediction['decision']}"
    if release is None:
        return Link(
            name="prediction",
            value=value,
            verified=None,
            detail="without its release it cannot be computed again",
        )
    from tremplin.onnx_model import OnnxModel

    contract = load_contract(release.path / "contract.yaml")
    columns = {feature.name: [prediction["row"].get(feature.name)] for feature in contract.features}
    again = float(OnnxModel(release.path / "model.onnx", contract).score(columns)[0])
    decision = prediction["score"] >= release.manifest.decision_threshold
    differing = _differing(prediction, contract)
    if abs(again - prediction["score"]) > CLOSE or decision != prediction["decision"]:
        differing.append("score")
    detail = f"the logged row, scored again with the release: {again:.4f}"
    if differing:
        detail += f"; not what was logged: {', '.join(differing)}"
    return Link(name="prediction", value=value, verified=not differing, detail=detail)


def _differing(prediction: dict[str, Any], contract: Contract) -> list[str]:
    """Columns of the prediction that contradict the row it was made from."""
    row = prediction["row"]
    pairs = {"key": contract.key, "subject": contract.subject}
    found = [
        name for name, column in pairs.items() if column and str(prediction[name]) != str(row.get(column))
    ]
    if datetime.fromisoformat(str(row.get(contract.time))) != prediction["event_time"]:
        found.append("event_time")
    return found


def _release(prediction: dict[str, Any], release: Release) -> Link:
    same = release.id == prediction["release_id"]
    detail = f"signature and {len(release.manifest.files)} files verified, id computed again"
    return Link(name="release", value=release.id, verified=same, detail=detail)


def _run(settings: Settings, manifest: Manifest) -> list[Link]:
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
    found = [
        Link(
            name="MLflow run",
            value=name,
            verified=version.run_id == manifest.mlflow_run
            and tags.get("tremplin.model") == manifest.files["model.onnx"],
            detail="the version is this run's, and its model is the release's model.onnx",
        )
    ]
    dirty = "true" if manifest.dirty else "false"
    for title, value, tag, said in (
        (
            "commit",
            manifest.commit,
            "commit",
            " (dirty: the code differed from it)" if manifest.dirty else "",
        ),
        ("data", manifest.data_hash, "data", ""),
        ("contract", manifest.contract_hash, "contract", ""),
    ):
        same = tags.get(f"tremplin.{tag}") == value and (
            tag != "commit" or tags.get("tremplin.dirty") == dirty
        )
        found.append(
            Link(
                name=title,
                value=value,
                verified=same,
                detail=f"release and run agree{said}" if same else "release and run differ",
            )
        )
    return [*found, _lock(client, manifest), _verdict(client, manifest)]


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


def _approval(engine: Engine, manifest: Manifest) -> Link:
    decision = manifest.go_no_go
    value = f"{decision.by}, {decision.role}" + (" (stand-in of the demo)" if decision.stand_in else "")
    entry = next(
        (
            e
            for e in journal.entries(engine, pilot=manifest.pilot, kind="approval")
            if e.hash == decision.journal_hash
        ),
        None,
    )
    if entry is None:
        return Link(name="approval", value=value, verified=False, detail="the journal has no such entry")
    problems = journal.verify(engine)
    said = entry.facts
    covers = {
        "lock_hash": manifest.lock_hash,
        "verdict_hash": manifest.verdict_hash,
        "model_hash": manifest.files["model.onnx"],
        "version": manifest.model_version,
        "stand_in": decision.stand_in,
    }
    differing = [name for name, expected in covers.items() if said.get(name) != expected] + (
        [] if entry.by == decision.by else ["by"]
    )
    if differing or problems:
        detail = "; ".join(problems) or f"it covers another {', '.join(differing)}"
        return Link(name="approval", value=value, verified=False, detail=detail)
    detail = f"journal entry {entry.number} of {entry.as_of:%Y-%m-%d} covers lock, verdict and model; the chain was verified"
    return Link(name="approval", value=value, verified=True, detail=detail)


def _outcome(engine: Engine, prediction: dict[str, Any]) -> Link:
    with engine.connect() as connection:
        query = sa.select(outcomes).where(
            outcomes.c.pilot == prediction["pilot"], outcomes.c.key == prediction["key"]
        )
        row = connection.execute(query).first()
    if row is None:
        return Link(
            name="outcome", value="not known", verified=None, detail="no outcome was reported for this key"
        )
    return Link(
        name="outcome",
        value=f"{row.label:g}",
        verified=None,
        detail=f"known at {row.known_at:%Y-%m-%d %H:%M} UTC",
    )
