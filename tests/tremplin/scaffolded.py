"""Tables that a pilot is made from, and the pilot that is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.gate.checks.leakage import single_auc
from tremplin.pilot import Pilot, load_pilot
from tremplin.scaffolding.asked import Asked
from tremplin.scaffolding.pilot import ALWAYS, Made, new_pilot

ROWS = 600
GRAPH = "# a comment that stays\nvars:\n  - pilots: []\n\nstages: {}\n"


def jobs(rows: int = ROWS, seed: int = 5) -> pd.DataFrame:
    """One row an order: a number and a kind that matter, a number that does not, and whether it came late."""
    random = np.random.default_rng(seed)
    kind = random.choice(["road", "rail", "sea"], rows)
    weight = random.uniform(0, 40, rows).round(2)
    chance = 1 / (1 + np.exp(2.5 - 0.08 * weight - (kind == "sea")))
    return pd.DataFrame(
        {
            "order": [f"O{number:05d}" for number in range(rows)],
            "placed": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(rows) * 5, unit="h"),
            "kind": kind,
            "weight": weight,
            "colour": random.choice(["red", "green"], rows),
            "late": np.where(random.random(rows) < chance, "yes", "no"),
        }
    )


@dataclass(frozen=True)
class World:
    """A checkout without pilots, and a file in it."""

    root: Path

    def write(self, table: pd.DataFrame, name: str = "table.csv", **how: object) -> Path:
        """As CSV or, by its name, Parquet."""
        file = self.root / name
        if name.endswith(".csv"):
            table.to_csv(file, index=False, **how)  # type: ignore[call-overload]
        else:
            table.to_parquet(file)
        return file

    def new(self, table: pd.DataFrame, name: str = "fresh", file: str = "table.csv", **asked: object) -> Made:
        """What `tremplin new` makes of a table."""
        path = self.write(table, file)
        return new_pilot(name, path, self.root, Asked(**asked), single_auc=single_auc)  # type: ignore[arg-type]

    def pilot(self, name: str = "fresh") -> Pilot:
        """As any command loads it."""
        return load_pilot(name, self.root)

    def rows(self, name: str = "fresh") -> pd.DataFrame:
        """All that its source gives."""
        found: pd.DataFrame = self.pilot(name).source.fetch(*ALWAYS)
        return found

    def files(self) -> dict[str, bytes]:
        """Every file, to see that nothing was written."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }


def world(root: Path) -> World:
    """An empty checkout."""
    (root / "pilots").mkdir(parents=True)
    (root / "dvc.yaml").write_text(GRAPH, "utf-8")
    return World(root)
