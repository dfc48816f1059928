"""A small real result of a pilot, as `dvc repro` leaves it, and the ways in which tests spoil copies of it."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from pyarrow import parquet

from pipelines import evaluation, modeling, preparation, understanding
from pipelines.exporting import export_onnx
from pipelines.fitting import fit, labels_of
from pipelines.gate import ChampionModel, gate
from pipelines.ingestion import ingest
from pipelines.remaking import Remade
from pipelines.stages import table_bytes, write_json, write_whole
from pipelines.verdict import Check, Verdict
from tremplin.frame import model_frame
from tremplin.lock import md5_by_dvc
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot
from tremplin.release import Release, sha256
from tremplin.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
AS_OF = datetime(2013, 7, 1, tzinfo=UTC)
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
class Sample:
    """What a result is made of: a pilot, a moment, every n-th of its rows, and what its ``pilot.yaml`` says otherwise."""

    pilot: str
    as_of: datetime
    every: int = 1
    edits: dict[str, dict[str, Any]] = field(default_factory=dict)

    def at(self, as_of: datetime) -> Sample:
        """The same at another moment."""
        return replace(self, as_of=as_of)


# May and June; one departure in three is enough, and three times as fast.
FLIGHTS = Sample("flights", AS_OF, every=3, edits=SMALL)


@dataclass(frozen=True)
class Result:
    """Files of one result under ``root``."""

    root: Path
    sample: Sample = FLIGHTS

    @property
    def pilot(self) -> Pilot:
        return load_pilot(self.sample.pilot, self.root)

    @property
    def paths(self) -> Paths:
        return Paths(self.root, self.sample.pilot)

    @property
    def settings(self) -> Settings:
        return load_settings(root=self.root)

    def copy(self, root: Path) -> Result:
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return replace(self, root=root)

    def part(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.paths.prepared / f"{name}.parquet")

    def replace(self, name: str, rows: pd.DataFrame) -> None:
        write_whole(self.paths.prepared / f"{name}.parquet", table_bytes(rows))

    def edit(self, **sections: dict[str, Any]) -> None:
        """Change values of the copied ``pilot.yaml``."""
        edit(self.root, sections, self.sample.pilot)

    def train(
        self, *, labels: NDArray[np.float64] | None = None, keep: NDArray[np.bool_] | None = None
    ) -> None:
        """Fit and export the pilot's candidate again, on ``labels`` other than the true ones, or on some rows only."""
        fitted = self._fit(self.winner, labels, keep)
        write_whole(self.paths.model / "pipeline.pkl", pickle.dumps(fitted, protocol=5))
        write_whole(self.paths.model / "model.onnx", export_onnx(fitted, self.pilot.contract))
        frame = model_frame(self.part("train"), self.pilot.contract)
        modeling.write_fast(self.paths, modeling.fast_form(fitted, self.pilot.contract, frame))

    def retrain(self, rows: pd.DataFrame | None = None) -> None:
        """The training rows are these, and all was trained on them: the baseline too."""
        if rows is not None:
            self.replace("train", rows.reset_index(drop=True))
        self.train()
        write_whole(self.paths.model / "baseline.pkl", pickle.dumps(self._fit("baseline"), protocol=5))

    def _fit(
        self,
        name: str,
        labels: NDArray[np.float64] | None = None,
        keep: NDArray[np.bool_] | None = None,
    ) -> Any:
        rows, pilot = self.part("train"), self.pilot
        frame = model_frame(rows, pilot.contract)
        labels = labels_of(rows, pilot.contract) if labels is None else labels
        keep = np.ones(len(rows), dtype=bool) if keep is None else keep
        return fit(pilot, pilot.file.model, name, frame[keep], labels[keep])

    @property
    def winner(self) -> str:
        """The candidate that the stages chose; the only one, where a test allows no other."""
        candidates = self.pilot.file.model.candidates
        if len(candidates) == 1:
            return next(iter(candidates))
        report = json.loads(self.paths.report(4, "modeling").read_text("utf-8"))
        return str(report["winner"])

    def recast(self, **model: Any) -> None:
        """Another candidate than the one that was trained, trained as it would be."""
        self.edit(model={"candidates": model})
        self.train()

    def prepare(self) -> None:
        """From the source, as it is now, to the prepared tables."""
        pilot, paths = self.pilot, self.paths
        paths.snapshot_facts.unlink(missing_ok=True)
        facts = ingest(pilot, paths, self.sample.as_of)
        if self.sample.every > 1:
            whole = parquet.read_table(paths.snapshot)  # with what it says of itself
            kept = whole.take(np.arange(0, whole.num_rows, self.sample.every))
            parquet.write_table(kept, paths.snapshot)
            thinned = facts.model_copy(update={"rows": kept.num_rows, "sha256": sha256(paths.snapshot)})
            write_json(paths.snapshot_facts, thinned.model_dump(mode="json"))
        preparation.stage(pilot, paths)

    def path(self, name: str) -> Path:
        """A file of the copied pilot."""
        return self.root / "pilots" / self.sample.pilot / name

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change the code of the copied pilot, or its contract."""
        content = self.path(name).read_text("utf-8")
        assert old in content
        self.path(name).write_text(content.replace(old, new), "utf-8")

    def append(self, name: str, code: str) -> None:
        """Add code at the end of a file of the copied pilot."""
        self.path(name).write_text(self.path(name).read_text("utf-8") + code, "utf-8")

    def lock(self) -> None:
        """Write ``dvc.lock`` for the files as they are (one entry is enough to name a result)."""
        name = self.sample.pilot
        deps = [f"data/{name}/snapshot.parquet", f"pilots/{name}/contract.yaml"]
        outs = [
            f"data/{name}/prepared",
            f"models/{name}",
            *sorted(p.relative_to(self.root).as_posix() for p in self.paths.reports.glob("*.json")),
        ]
        entry = {
            "cmd": f"python -m pipelines.modeling --pilot {name}",
            **{
                kind: [{"path": p, "hash": "md5", "md5": md5_by_dvc(self.root / p)} for p in paths]
                for kind, paths in (("deps", deps), ("outs", outs))
            },
        }
        (self.root / "dvc.lock").write_text(
            yaml.safe_dump({"schema": "2.0", "stages": {f"modeling@{name}": entry}}), "utf-8"
        )


def made_again() -> Remade:
    """What the flow found where it made a model again and nothing differed; the real thing is in ``test_remaking.py``."""
    return Remade(compared=6, differing=[])


def judged(
    result: Result,
    champion: Release | None = None,
    *,
    as_of: datetime | None = None,
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
        as_of=as_of or result.sample.as_of,
        settings=settings or result.settings,
        look=look,
        remade=remade,
    )


def line(verdict: Verdict, name: str) -> Check:
    """The check of that name."""
    return next(check for check in verdict.checks if check.id == name)


def edit(root: Path, sections: dict[str, dict[str, Any]], pilot: str = "flights") -> None:
    """Change values of the copied ``pilot.yaml``."""
    path = root / "pilots" / pilot / "pilot.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    for section, values in sections.items():
        content[section] |= values
    path.write_text(yaml.safe_dump(content), "utf-8")


def make_result(root: Path, sample: Sample = FLIGHTS) -> Result:
    """Ingest and run the stages, in this process."""
    name = sample.pilot
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pilots" / name, root / "pilots" / name, ignore=ignored)
    result = Result(root, sample)
    result.edit(**sample.edits)
    result.prepare()
    for stage in (understanding, modeling, evaluation):
        stage.stage(result.pilot, result.paths)
    result.lock()
    return result
