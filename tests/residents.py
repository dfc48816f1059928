"""A small real result of the pilot support: residents of Massachusetts in 2016, as `dvc repro` leaves it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.results import BOOSTED, Result, Sample, make_result

AS_OF = datetime(2017, 1, 1, tzinfo=UTC)
RESIDENTS = Sample(
    "support",
    AS_OF,
    edits={
        "model": {"threads": 1, "folds": 2, "candidates": {"boosted": BOOSTED | {"rows_per_leaf": 200}}},
        "gate": {"bootstrap_samples": 200},
    },
)


def make_residents(root: Path, as_of: datetime = AS_OF) -> Result:
    """Ingest and run the stages, in this process, on the year before ``as_of``."""
    return make_result(root, RESIDENTS.at(as_of))
