"""A small real result of the pilot support: residents of Massachusetts in 2016, as `dvc repro` leaves it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pipelines import availability, evaluation, modeling, preparation
from pipelines.stages import table_bytes, typed, write_whole
from tests.results import BOOSTED, ROOT, Result
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot

AS_OF = datetime(2017, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Residents(Result):
    """As ``Result``, of the pilot support."""

    @property
    def pilot(self) -> Pilot:
        return load_pilot("support", self.root)

    @property
    def paths(self) -> Paths:
        return Paths(self.root, "support")

    def copy(self, root: Path) -> Residents:
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Residents(root)

    def edit(self, **sections: dict[str, Any]) -> None:
        path = self.root / "pilots" / "support" / "pilot.yaml"
        content = yaml.safe_load(path.read_text("utf-8"))
        for section, values in sections.items():
            content[section] |= values
        path.write_text(yaml.safe_dump(content), "utf-8")

    def limits(self, **changed: Any) -> None:
        """Change the limits of fairness."""
        now = self.pilot.file.gate.model_dump(mode="json")["fairness"]
        self.edit(gate={"fairness": now | changed})


def make_residents(root: Path, as_of: datetime = AS_OF) -> Residents:
    """Run the stages, in this process, on the year before ``as_of``."""
    shutil.copytree(
        ROOT / "pilots" / "support", root / "pilots" / "support", ignore=shutil.ignore_patterns("__pycache__")
    )
    made = Residents(root)
    small = {"threads": 1, "folds": 2, "candidates": {"boosted": BOOSTED | {"rows_per_leaf": 200}}}
    made.edit(model=small, gate={"bootstrap_samples": 200})
    pilot, paths = made.pilot, made.paths
    rows = typed(
        pilot.source.fetch(as_of - timedelta(days=pilot.file.data.window_days), as_of), pilot.contract
    )
    available = availability.measure(pilot, rows, as_of)
    late = rows[pilot.contract.label_time] > as_of
    rows.loc[late, [pilot.contract.target, pilot.contract.label_time]] = None
    metadata = {availability.METADATA: available.model_dump_json()}
    write_whole(paths.snapshot, table_bytes(rows, metadata))
    for stage in (preparation, modeling, evaluation):
        stage.stage(pilot, paths)
    return made
