"""Fixtures that more than one part needs: the pilot flights, a store, a small real release, and a server of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.people import People, make_people
from tests.pipelines.lamp_town import Town
from tests.postgres import postgres
from tests.residents import make_residents
from tests.results import ROOT, Result, make_result
from tests.tremplin_cli import AS_OF, lamp_checkout, tremplin
from tremplin.pilot import Pilot, load_pilot
from tremplin.release import GoNoGo, Manifest, Release, make_keys, write_release
from tremplin.service import SERVICE, sheet
from tremplin.settings import Settings, load_settings
from tremplin.store import metadata, open_store
from tremplin.target import Task

# Whom the factory's releases answer: everybody but one carrier that was too small, and any that was not there.
COVERAGE = [
    {
        "columns": ["carrier"],
        "minimum_rows": 200,
        "served": [
            [c]
            for c in [
                "9E",
                "AA",
                "AS",
                "B6",
                "DL",
                "EV",
                "F9",
                "FL",
                "HA",
                "MQ",
                "UA",
                "US",
                "VX",
                "WN",
                "YV",
            ]
        ],
        "excluded": [{"group": ["OO"], "rows": 1, "reason": "1 rows of evaluation, 200 needed"}],
    }
]
JANUARY, FEBRUARY, MARCH = (datetime(2013, month, 1, tzinfo=UTC) for month in (1, 2, 3))


@pytest.fixture(scope="session")
def pilot() -> Pilot:
    """The pilot flights, as it is in the checkout."""
    return load_pilot("flights", ROOT)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One Postgres for all tests of this process."""
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty store, of both kinds that are supported."""
    if request.param == "sqlite":
        made = open_store(load_settings(root=tmp_path))
    else:
        made = open_store(load_settings(root=tmp_path, store_url=request.getfixturevalue("postgres_url")))
        with made.begin() as connection:
            connection.execute(sa.text("TRUNCATE " + ", ".join(metadata.tables)))
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """The people of the charter of `flights`, with keys."""
    return make_people(tmp_path_factory.mktemp("people"))


@dataclass(frozen=True)
class ReleaseFactory:
    """Makes signed releases of one real model; ``threshold`` tells them apart, ``edit`` changes a file before it is signed."""

    pilot: Pilot
    files: dict[str, Path]  # model.onnx, fast/*, profile.json, contract.yaml
    pipeline: Any  # what model.onnx was made from
    rows: pd.DataFrame  # a month of rows that it was not trained on
    private_key: Path
    public_key: Path
    drafts: Path

    def __call__(
        self,
        root: Path,
        *,
        threshold: float = 0.33,
        pilot: str | None = None,
        signing_key: Path | None = None,
        edit: dict[str, Callable[[bytes], bytes]] | None = None,
    ) -> Release:
        """Write a release under ``root``, as training does after a go."""
        files = dict(self.files)
        for name, change in (edit or {}).items():
            draft = self.drafts / f"{len(list(self.drafts.iterdir()))}-{Path(name).name}"
            draft.write_bytes(change(files[name].read_bytes()))
            files[name] = draft
        digest = "0" * 64
        go = GoNoGo(
            by="Camille Laurent", role="product owner", as_of=FEBRUARY, stand_in=True,
            journal_hash=digest, lock_hash=digest, verdict_hash=digest, model_hash=digest,
        )  # fmt: skip
        task = self.pilot.contract.task
        manifest = Manifest(
            pilot=pilot or self.pilot.name, as_of=FEBRUARY, model_version=1, mlflow_run="0" * 32, commit="0" * 40, dirty=False,
            data_hash=digest, contract_hash=self.pilot.contract_hash, lock_hash=digest, verdict_hash=digest,
            go_no_go=go, task=task, decision_threshold=threshold if task is Task.CLASSIFICATION else None, files={},
        )  # fmt: skip
        root.mkdir(parents=True, exist_ok=True)
        return write_release(root, files, manifest, signing_key or self.private_key)


def make_releases_of(
    pilot: Pilot, folder: Path, /, year: int = 2013, **candidate: dict[str, Any]
) -> ReleaseFactory:
    """A candidate, the boosted one with few trees unless told, trained on January by the pilot's own functions and signed."""
    january, february, march = (datetime(year, month, 1, tzinfo=UTC) for month in (1, 2, 3))
    coverage = COVERAGE if "carrier" in {column.name for column in pilot.contract.request_columns} else []
    from pipelines.exporting import export_onnx
    from pipelines.fast import export_fast
    from pipelines.fitting import fit, labels_of
    from pipelines.profiling import profile
    from pipelines.stages import write_json
    from tremplin.frame import model_frame

    rows = pilot.source.fetch(january, march)
    train = rows[(rows[pilot.contract.time] < february) & rows[pilot.contract.target].notna()]
    candidates = candidate or {"boosted": {**pilot.file.model.candidates["boosted"], "trees": 20}}
    (name,) = candidates
    settings = pilot.file.model.model_copy(update={"candidates": candidates, "seed": 1, "threads": 1})
    frame, labels = model_frame(train, pilot.contract), labels_of(train, pilot.contract)
    pipeline = fit(pilot, settings, name, frame, labels)
    (folder / "model.onnx").write_bytes(export_onnx(pipeline, pilot.contract))
    described = profile(train, pilot.contract, folder / "model.onnx") | {"coverage": coverage}
    write_json(folder / "profile.json", described)
    files = {name: folder / name for name in ("model.onnx", "profile.json")}
    files[SERVICE] = folder / SERVICE
    files[SERVICE].write_text(sheet(pilot.charter, pilot.file.service).model_dump_json(), "utf-8")
    files["contract.yaml"] = pilot.folder / "contract.yaml"
    (folder / "fast").mkdir()
    for name, content in export_fast(pipeline, pilot.contract, frame).items():
        files[f"fast/{name}"] = folder / "fast" / name
        files[f"fast/{name}"].write_bytes(content)
    private, public = folder / "keys" / "release.key", folder / "keys" / "release.pub"
    make_keys(private, public)
    drafts = folder / "drafts"
    drafts.mkdir()
    later = rows[rows[pilot.contract.time] >= february].reset_index(drop=True)
    return ReleaseFactory(pilot, files, pipeline, later, private, public, drafts)


@pytest.fixture(scope="session")
def release_factory(pilot: Pilot, tmp_path_factory: pytest.TempPathFactory) -> ReleaseFactory:
    """Releases of `flights`."""
    return make_releases_of(pilot, tmp_path_factory.mktemp("release"))


@dataclass(frozen=True)
class Served:
    """A server in a process of its own, as ``tremplin serve`` starts it."""

    url: str
    process: subprocess.Popen[str]
    settings: Settings


@pytest.fixture
def settings(tmp_path: Path, release_factory: ReleaseFactory) -> Settings:
    """A home of its own, and the key that the factory's releases are signed with."""
    return load_settings(
        root=ROOT,
        home=tmp_path / "home",
        release_public_key=release_factory.public_key,
        port=0,
        live_poll_seconds=0.05,
    )


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[..., Served]]:
    """Starts ``python -m serving`` on a free port; ``variables`` are added to its environment."""
    started: list[subprocess.Popen[str]] = []

    def start(**variables: str) -> Served:
        given = {
            "TREMPLIN_ROOT": str(settings.root),
            "TREMPLIN_HOME": str(settings.home),
            "TREMPLIN_RELEASE_PUBLIC_KEY": str(settings.release_public_key),
            "TREMPLIN_LIVE_POLL_SECONDS": "0.05",
            "TREMPLIN_PORT": "0",
            **variables,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "serving"],
            cwd=ROOT,
            env=os.environ | given,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http" in line, line
        return Served(line.split()[-1], process, settings)

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def honest_result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A small real result, as `dvc repro` leaves it; tests spoil copies of it (``honest_result.copy(tmp_path)``)."""
    return make_result(tmp_path_factory.mktemp("result"))


@pytest.fixture(scope="session")
def residents_result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The same of the pilot support."""
    return make_residents(tmp_path_factory.mktemp("residents"))


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database before anything is in it: making it takes seconds, copying it none."""
    from tremplin.tracking import tracking

    settings = load_settings(root=tmp_path_factory.mktemp("mlflow"))
    tracking(settings)
    return settings.home / "mlflow.db"


@pytest.fixture(scope="session")
def lamp_run(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A checkout with the small pilot `lamps` where `tremplin run` was called once; tests that change it copy it."""
    made = lamp_checkout(tmp_path_factory.mktemp("lamps") / "checkout")
    done = tremplin(made.root, "run", "--pilot", "lamps", "--as-of", AS_OF)
    assert done.returncode == 0, done.stdout + done.stderr
    return made
