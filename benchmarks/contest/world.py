"""What all contestants are measured with: one fitted pipeline in every form, and real rows that it was not trained on.

A folder with ``pipeline.joblib``, ``releases/`` and ``release.pub`` (the same pipeline, signed), ``model.onnx``, ``columns.json``
(what a row holds), ``home/`` (a store where the release is live) and ``keys/`` (the same store, and a caller's API key).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest.contestant import Row
from tests.conftest import ReleaseFactory, make_releases_of
from tests.results import ROOT
from tremplin.column import Column
from tremplin.pilot import load_pilot

PILOT = "flights"
ROWS = 2000  # of the month after the training's; the load goes round them
CALLER = "benchmark"


@dataclass(frozen=True)
class World:
    """The folder, and what its files hold."""

    folder: Path
    release: str
    trees: int
    rows: list[Row]
    scores: NDArray[np.float64]  # the fitted pipeline's own, shape (rows,)
    key: str  # the caller's API key


def make_world(folder: Path) -> World:
    """Train the pilot's boosted candidate as its charter has it, on January, and write everything."""
    import joblib

    from pipelines.fitting import predict
    from pipelines.replaying import request_rows
    from serving.access.keys import add
    from serving.access.roles import Role
    from tremplin.frame import model_frame
    from tremplin.live import Live, change
    from tremplin.settings import load_settings
    from tremplin.store import open_store

    folder.mkdir(parents=True)
    pilot = load_pilot(PILOT, ROOT)
    boosted = pilot.file.model.candidates["boosted"]
    made: ReleaseFactory = make_releases_of(pilot, folder, boosted=boosted)
    release = made(folder / "releases")
    shutil.copy(made.public_key, folder / "release.pub")
    joblib.dump(made.pipeline, folder / "pipeline.joblib")
    columns = [described(column, pilot.contract.features) for column in pilot.contract.request_columns]
    (folder / "columns.json").write_text(json.dumps(columns), "utf-8")
    settings = load_settings(root=ROOT, home=folder / "home", pilot=PILOT)
    store = open_store(settings)
    change(store, PILOT, Live(champion=release.id), by="benchmark", reason="measured")
    store.dispose()
    shutil.copytree(folder / "home", folder / "keys-home")
    key = add(folder / "keys-home" / "keys" / "api-keys.json", CALLER, tuple(Role), datetime.now(UTC), None)
    rows = made.rows.sample(ROWS, random_state=1)
    asked = request_rows(rows, pilot.contract)
    (folder / "rows.json").write_text(json.dumps(asked), "utf-8")
    scores = predict(made.pipeline, model_frame(rows, pilot.contract), pilot.contract)
    return World(folder, release.id, int(boosted["trees"]), asked, scores, key)


def described(column: Column, features: Sequence[Column]) -> dict[str, Any]:
    """What an environment without the contract's reader must know of a column."""
    return {
        "name": column.name,
        "kind": column.logicalType,
        "nullable": column.nullable,
        "limits": column.limits if column.numeric else None,
        "feature": column in features,
    }
