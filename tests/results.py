"""A small real result of the pilot flights, as `dvc repro` leaves it, and the ways in which tests spoil copies of it."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from pipelines import availability, evaluation, modeling, preparation, understanding
from pipelines.exporting import export_onnx
from pipelines.gate import ChampionModel, gate
from pipelines.remaking import Remade
from pipelines.stages import table_bytes, typed, write_whole
from pipelines.verdict import Check, Verdict
from tremplin.frame import model_frame
from tremplin.lock import md5_by_dvc
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot
from tremplin.release import Release, sha256
from tremplin.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
AS_OF = datetime(2013, 7, 1, tzinfo=UTC)
SINCE = datetime(2013, 5, 1, tzinfo=UTC)
EVERY = 3  # one departure in three is enough, and three times as fast
BOOSTED = {"trees": 40, "learning_rate": 0.1, "leaves": 15, "rows_per_leaf": 100}
SMALL: dict[str, dict[str, Any]] = {
    "data": {"window_days": 61, "evaluation_days": 14, "minimum_rows": 5000},
    "model": {"threads": 1, "folds": 2, "candidates": {"boosted": BOOSTED}},
    "gate": {
        "bootstrap_samples": 200,
        "coverage": {
            "segments": [["carrier"]],
            "minimum_rows": 40,
            "baseline_margin": 0.01,
            "excluded_limit": 0.05,
        },
    },
}


@dataclass(frozen=True)
class Result:
    """Files of one result under ``root``."""

    root: Path

    @property
    def pilot(self) -> Pilot:
        return load_pilot("flights", self.root)

    @property
    def paths(self) -> Paths:
        return Paths(self.root, "flights")

    @property
    def settings(self) -> Settings:
        return load_settings(root=self.root)

    def copy(self, root: Path) -> Result:
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Result(root)

    def part(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.paths.prepared / f"{name}.parquet")

    def replace(self, name: str, rows: pd.DataFrame) -> None:
        write_whole(self.paths.prepared / f"{name}.parquet", table_bytes(rows))

    def edit(self, **sections: dict[str, Any]) -> None:
        edit(self.root, sections)

    def train(
        self, *, labels: NDArray[np.float64] | None = None, keep: NDArray[np.bool_] | None = None
    ) -> None:
        """Fit and export the pilot's candidate again, on ``labels`` other than the true ones, or on some rows only."""
        rows, pilot = self.part("train"), self.pilot
        frame = model_frame(rows, pilot.contract)
        labels = modeling.labels_of(rows, pilot.contract) if labels is None else labels
        keep = np.ones(len(rows), dtype=bool) if keep is None else keep
        name = next(iter(pilot.file.model.candidates))
        fitted = modeling.fit(pilot, pilot.file.model, name, frame[keep], labels[keep])
        write_whole(self.paths.model / "pipeline.pkl", pickle.dumps(fitted, protocol=5))
        write_whole(self.paths.model / "model.onnx", export_onnx(fitted, pilot.contract))

    def recast(self, **model: Any) -> None:
        """Another candidate than the one that was trained, trained as it would be."""
        self.edit(model={"candidates": model})
        self.train()

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change the code of the copied pilot, or its contract."""
        path = self.root / "pilots" / "flights" / name
        content = path.read_text("utf-8")
        assert old in content
        path.write_text(content.replace(old, new), "utf-8")

    def lock(self) -> None:
        """Write ``dvc.lock`` for the files as they are (one entry is enough to name a result)."""
        deps = ["data/flights/snapshot.parquet", "pilots/flights/contract.yaml"]
        outs = [
            "data/flights/prepared",
            "models/flights",
            *sorted(p.relative_to(self.root).as_posix() for p in self.paths.reports.glob("*.json")),
        ]
        entry = {
            "cmd": "python -m pipelines.modeling --pilot flights",
            **{
                kind: [{"path": p, "hash": "md5", "md5": md5_by_dvc(self.root / p)} for p in paths]
                for kind, paths in (("deps", deps), ("outs", outs))
            },
        }
        (self.root / "dvc.lock").write_text(
            yaml.safe_dump({"schema": "2.0", "stages": {"modeling@flights": entry}}), "utf-8"
        )


def made_again() -> Remade:
    """What the flow found where it made a model again and nothing differed; the real thing is in ``test_remaking.py``."""
    return Remade(compared=6, differing=[])


def judged(
    result: Result,
    champion: Release | None = None,
    *,
    as_of: datetime = AS_OF,
    settings: Settings | None = None,
    look: int = 1,
    remade: Callable[[], Remade] | None = made_again,
) -> Verdict:
    """What the gate says of a result."""
    met = ChampionModel(champion) if champion else None
    return gate(
        result.pilot,
        result.paths,
        champion=met,
        as_of=as_of,
        settings=settings or result.settings,
        look=look,
        remade=remade,
    )


def line(verdict: Verdict, name: str) -> Check:
    """The check of that name."""
    return next(check for check in verdict.checks if check.id == name)


def edit(root: Path, sections: dict[str, dict[str, Any]]) -> None:
    """Change values of the copied ``pilot.yaml``."""
    path = root / "pilots" / "flights" / "pilot.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    for section, values in sections.items():
        content[section] |= values
    path.write_text(yaml.safe_dump(content), "utf-8")


def make_result(root: Path, since: datetime = SINCE, as_of: datetime = AS_OF) -> Result:
    """Run the stages, in this process, on a part of two months: May and June."""
    shutil.copytree(
        ROOT / "pilots" / "flights", root / "pilots" / "flights", ignore=shutil.ignore_patterns("__pycache__")
    )
    edit(root, SMALL)
    result = Result(root)
    pilot, paths = result.pilot, result.paths
    rows = typed(pilot.source.fetch(since, as_of), pilot.contract)
    available = availability.measure(pilot, rows, as_of)
    late = rows[pilot.contract.label_time] > as_of
    rows.loc[late, [pilot.contract.target, pilot.contract.label_time]] = None
    kept, metadata = (
        rows[::EVERY].reset_index(drop=True),
        {availability.METADATA: available.model_dump_json()},
    )
    write_whole(paths.snapshot, table_bytes(kept, metadata))
    facts = {
        "pilot": "flights", "as_of": as_of.isoformat(), "start": since.isoformat(), "end": as_of.isoformat(), "rows": len(kept),
        "origins": [], "sha256": sha256(paths.snapshot), "withdrawn": 0,
    }  # fmt: skip
    paths.snapshot_facts.write_text(json.dumps(facts), "utf-8")
    for stage in (understanding, preparation, modeling, evaluation):
        stage.stage(pilot, paths)
    result.lock()
    return result
