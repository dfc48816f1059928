"""What a world says of itself, without what differs between two runs of one history: ids, and hashes of times and of seconds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from governance.identity import read_signers
from governance.notes import unsigned
from tests.pipelines.lamp_town import Town
from tremplin import journal
from tremplin.release import open_release
from tremplin.settings import Settings, load_settings
from tremplin.store import live, open_store
from tremplin.tracking import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

VOLATILE = {"signature", "run_id", "verdict_hash", "verdict", "approval", "files"}  # of journal entries
TAGS = (
    "result",
    "model",
    "data",
    "lock",
    "verdict",
    "blocked_by",
    "approved_by",
    "release",
    "decision",
    "window",
)
MADE = ("data", "models", "reports")  # folders of a checkout that runs fill
CAPPED = 12


def facts_of(town: Town) -> dict[str, Any]:
    """Journal, what was live, MLflow, releases, files; whatever must verify is verified."""
    settings = load_settings(root=town.root)
    engine = open_store(settings)
    try:
        entries = journal.entries(engine)
        assert journal.verify(engine) == []
        assert unsigned(entries, read_signers(settings.allowed_signers)) == []
        with engine.connect() as connection:
            states = list(connection.scalars(sa.select(live.c.state).order_by(live.c.version)))
        released = [e.facts["release"] for e in entries if e.kind == "release"]
    finally:
        engine.dispose()
    told = {
        "journal": [
            {
                "kind": e.kind,
                "by": e.by,
                "as_of": e.as_of,
                **{k: v for k, v in e.facts.items() if k not in VOLATILE},
            }
            for e in entries
        ],
        "live": states,
        "releases": releases(settings),
        "events": sorted(set(lines(settings.home / "events.jsonl"))),  # told twice is worked on once
        **mlflow_of(settings),
        "files": sorted({str(path) for path in files(town.root)}),
        "made": {str(p.relative_to(town.root)): digest(p) for p in made(town.root)},
        "locks": held(town.root / ".dvc" / "tmp" / "rwlock"),
    }
    text = json.dumps(told, default=str, sort_keys=True)
    for number, name in enumerate(dict.fromkeys(released), 1):
        text = text.replace(name, f"release-{number}")
    told = json.loads(text)
    for names in ("files", "releases"):  # a release's real name is by chance before or after another's
        told[names] = sorted(told[names])
    return told


def releases(settings: Settings) -> list[str]:
    """Everything in the folder of releases, each of which verifies."""
    found = sorted(settings.releases.iterdir()) if settings.releases.exists() else []
    return [open_release(path, settings.release_public_key, pilot="lamps").id for path in found]


def mlflow_of(settings: Settings) -> dict[str, Any]:
    client = tracking(settings)
    experiment = client.get_experiment_by_name("lamps")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    registered = client.search_registered_models("name = 'lamps'")
    versions = client.search_model_versions("name = 'lamps'")
    models = client.search_logged_models([experiment.experiment_id]) if experiment else []
    return {
        "runs": sorted(
            [
                run.info.run_name,
                run.info.status,
                tags(run.data.tags),
                sorted(artifacts(client, run.info.run_id)),
            ]
            for run in runs
        ),
        "versions": {v.version: [tags(v.tags), v.status] for v in versions},
        "run of a version": len({v.run_id for v in versions}),
        "aliases": registered[0].aliases if registered else {},
        "logged models": sorted(str(model.status) for model in models),
    }


def tags(found: dict[str, str]) -> dict[str, str]:
    return {name: found[f"tremplin.{name}"] for name in TAGS if f"tremplin.{name}" in found}


def artifacts(client: MlflowClient, run_id: str, folder: str = "") -> list[str]:
    found = []
    for item in client.list_artifacts(run_id, folder or None):
        found += artifacts(client, run_id, item.path) if item.is_dir else [item.path]
    return found


def files(root: Path) -> list[Path]:
    """Every file but caches of Python, DVC's own, and databases' side files."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [
        path
        for path in found
        if "__pycache__" not in path.parts
        and path.parts[:2] != (".dvc", "tmp")
        and path.parts[:2] != (".tremplin", "mlartifacts")
        and path.parts[:2] != (".tremplin", "prefect")
        and not path.name.endswith(("-wal", "-shm"))
    ]


def made(root: Path) -> list[Path]:
    found = [path for folder in MADE for path in (root / folder).rglob("*") if path.is_file()]
    return [*found, *(path for path in [root / "dvc.lock"] if path.exists())]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:CAPPED]


def held(locks: Path) -> dict[str, Any]:
    """Who holds DVC's locks: its file may name a kind of lock that nobody holds."""
    return {kind: who for kind, who in json.loads("".join(lines(locks)) or "{}").items() if who}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
