"""A workspace with the small pilot `lamps` and made-up rows whose truth is known."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot

FILES = Path(__file__).parent / "lamps"
FLIGHTS = Path(__file__).parents[2] / "pilots" / "flights" / "pilot.yaml"
AS_OF = datetime(2024, 5, 1, tzinfo=UTC)
FIRST, DAYS, LAMPS = pd.Timestamp("2024-01-01 05:00", tz="UTC"), 121, 60


def lamps() -> pd.DataFrame:
    """7,260 checks. Age and flickers raise the chance of a failure, `voltage` is noise; 2 % are taken down, never labelled."""
    random = np.random.default_rng(11)
    count = DAYS * LAMPS
    day, lamp = np.divmod(np.arange(count), LAMPS)
    rows = pd.DataFrame(
        {
            "check_id": [f"L{b}-{a}" for a, b in zip(day, lamp, strict=True)],
            "morning": FIRST + pd.to_timedelta(day, unit="D") + pd.to_timedelta(lamp, unit="min"),
            "quarter": np.array(["north", "south", "port"], dtype=object)[lamp % 3],
            "kind": pd.Series(np.array(["led", "sodium", None], dtype=object)[random.integers(0, 3, count)]),
            "age": random.uniform(0, 40, count).round(1),
            "voltage": pd.Series(random.normal(230, 4, count).round(2)).mask(random.random(count) < 0.1),
            "flickers": pd.Series(random.poisson(3, count), dtype="Int64").mask(random.random(count) < 0.1),
            "wet": random.random(count) < 0.3,
        }
    )
    logit = -3.4 + 0.07 * rows["age"] + 0.25 * rows["flickers"].fillna(3).astype(float) + 0.5 * rows["wet"]
    failed = pd.Series(random.random(count) < 1 / (1 + np.exp(-logit)), dtype="boolean")
    taken_down = random.random(count) < 0.02
    known_at = rows["morning"] + pd.Timedelta(hours=27)
    return rows.assign(failed=failed.mask(taken_down), failed_known_at=known_at.mask(taken_down))


@dataclass(frozen=True)
class Town:
    """A workspace; ``write`` delivers rows to the pilot's source."""

    root: Path

    @property
    def pilot(self) -> Pilot:
        """Loaded again each time, as by a new process."""
        return load_pilot("lamps", self.root)

    @property
    def paths(self) -> Paths:
        """Of the pilot."""
        return Paths(self.root, "lamps")

    @property
    def csv(self) -> Path:
        """What the source reads."""
        return self.root / "pilots" / "lamps" / "lamps.csv"

    def write(self, rows: pd.DataFrame) -> None:
        """Deliver rows."""
        rows.to_csv(self.csv, index=False)


def parameters() -> dict[str, Any]:
    """The charter and limits of `flights` (they only have to be valid), with data and models of the lamps' size."""
    content: dict[str, Any] = yaml.safe_load(FLIGHTS.read_text("utf-8"))
    content["data"] |= {
        "window_days": 120,
        "evaluation_days": 20,
        "minimum_rows": 2000,
        "timezone": "Europe/Paris",
        "decision_lead_minutes": 0,  # the round begins in the morning that the row is about
    }
    content["model"] |= {"candidates": {"linear": {"C": 1.0}, "boosted": {"trees": 30}}}
    # Ten times the flickers fit the contract of the lamps and move its model: what that check blocks is shown on flights.
    content["gate"] |= {"bootstrap_samples": 200, "unit_errors_limit": 1.0}
    content["gate"]["coverage"]["segments"] = [["kind"]]
    content["monitoring"] |= {"drift_sample": 1000}
    return content


def town(root: Path) -> Town:
    """The pilot and its rows under ``root``."""
    made = Town(root)
    shutil.copytree(FILES, made.csv.parent, ignore=shutil.ignore_patterns("__pycache__"))
    made.csv.with_name("pilot.yaml").write_text(yaml.safe_dump(parameters(), sort_keys=False), "utf-8")
    made.write(lamps())
    return made
