"""A small real result of a pilot that predicts an amount: by how many minutes a departure arrives late, as `dvc repro` leaves it.

The pilot is made of `pilots/flights`: the same rows, features and limits, another target, other models, other costs.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from pipelines import evaluation, modeling, preparation, understanding
from pipelines.ingestion import ingest
from tests.results import BOOSTED, ROOT, Result
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot

NAME = "delays"
FILES = Path(__file__).parent / "pipelines" / NAME
AS_OF = datetime(2013, 7, 1, tzinfo=UTC)

SMOOTH = BOOSTED | {"rows_per_leaf": 200}  # in a leaf of 100 a few extreme amounts are remembered
TARGET: dict[str, Any] = {
    "name": "arrival_delay",
    "logicalType": "number",
    "description": "Minutes by which it arrived after schedule; empty for the cancelled and the diverted, for good",
    "tags": ["target"],
    "classification": "public",
    "logicalTypeOptions": {"minimum": -60, "maximum": 180},
    "customProperties": [{"property": "unit", "value": "minute"}],
    "examples": [12.0],
}
# Limits of losses are shares of the squared range: .001 is 58 square minutes, of some 1,400 that the mean leaves.
LIMITS: dict[str, Any] = {
    "bootstrap_samples": 200,
    "champion_margin": 0.0003,  # about 1 % of the loss itself, as in flights
    "feature_auc_limit": 0.75,  # concordance: nothing known two hours before says more than .65 alone
    "result_auc_limit": 0.80,
    "calibration_limit": 0.04,  # 10 minutes; June, which no such model has seen, was worse than any month before
    "parity_limit": 1.0e-4,  # .024 minutes
    "learning_curve_limit": 0.001,
    "missing_values_limit": 0.005,
    "unit_errors_limit": 0.05,
    "noise_limit": 0.002,
    "previous_period_limit": 0.005,
    "coverage": {
        "segments": [["carrier"]],
        "minimum_rows": 40,
        "baseline_margin": 0.005,
        "excluded_limit": 0.05,
    },
}


@dataclass(frozen=True)
class Delays(Result):
    """As ``Result``, of the pilot that predicts minutes."""

    @property
    def pilot(self) -> Pilot:
        return load_pilot(NAME, self.root)

    @property
    def paths(self) -> Paths:
        return Paths(self.root, NAME)

    @property
    def folder(self) -> Path:
        return self.root / "pilots" / NAME

    def copy(self, root: Path) -> Delays:
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Delays(root)

    def edit(self, **sections: dict[str, Any]) -> None:
        path = self.folder / "pilot.yaml"
        content = yaml.safe_load(path.read_text("utf-8"))
        for section, values in sections.items():
            content[section] |= values
        path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def delays(root: Path) -> Delays:
    """The pilot alone, under ``root``."""
    made, flights = Delays(root), ROOT / "pilots" / "flights"
    shutil.copytree(FILES, made.folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(flights / "features.py", made.folder)
    shutil.copy(flights / "source.py", made.folder / "departures.py")
    contract = yaml.safe_load((flights / "contract.yaml").read_text("utf-8"))
    columns = contract["schema"][0]["properties"]
    place = next(at for at, column in enumerate(columns) if "target" in column.get("tags", []))
    columns[place] = TARGET
    (made.folder / "contract.yaml").write_text(yaml.safe_dump(contract, sort_keys=False), "utf-8")
    content = yaml.safe_load((flights / "pilot.yaml").read_text("utf-8"))
    content["charter"] |= {
        "costs": {"currency": "USD", "over": 1, "under": 2},  # a minute of waiting; a missed connection
        "decision_threshold": None,
    }
    content["data"] |= {"window_days": 61, "evaluation_days": 14, "minimum_rows": 5000}
    content["model"] |= {"threads": 1, "folds": 2, "candidates": {"boosted": SMOOTH}}
    content["gate"] |= LIMITS
    (made.folder / "pilot.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return made


def make_delays(root: Path, as_of: datetime = AS_OF) -> Delays:
    """Ingest and run the stages, in this process, on a part of two months: May and June."""
    made = delays(root)
    pilot, paths = made.pilot, made.paths
    ingest(pilot, paths, as_of)
    for stage in (understanding, preparation, modeling, evaluation):
        stage.stage(pilot, paths)
    return made
