"""Where the files of a pilot lie under a checkout or workspace. DVC's stages and the flows agree by this page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Files of one pilot under ``root``."""

    root: Path
    pilot: str

    @property
    def snapshot(self) -> Path:
        """Rows as fetched at ``as_of``: the beginning of the graph, tracked by ``snapshot.parquet.dvc``."""
        return self.root / "data" / self.pilot / "snapshot.parquet"

    @property
    def snapshot_facts(self) -> Path:
        """Where the snapshot came from: window, as_of, rows, columns."""
        return self.root / "data" / self.pilot / "snapshot.json"

    @property
    def rejected(self) -> Path:
        """Rows that broke the contract, kept aside."""
        return self.root / "data" / self.pilot / "rejected.parquet"

    @property
    def prepared(self) -> Path:
        """``train.parquet`` and ``evaluation.parquet``: labelled rows, cut by time."""
        return self.root / "data" / self.pilot / "prepared"

    @property
    def audit(self) -> Path:
        """Key and held-apart columns of the evaluation rows, for the fairness checks alone."""
        return self.root / "data" / self.pilot / "audit.parquet"

    @property
    def model(self) -> Path:
        """What training leaves: ``pipeline.pkl`` (never leaves the pipeline), ``model.onnx``, ``fast/``, ``profile.json``."""
        return self.root / "models" / self.pilot

    @property
    def reports(self) -> Path:
        """Evidence of each phase, ``<n>-<name>.json``, and ``plots/``."""
        return self.root / "reports" / self.pilot

    def report(self, number: int, name: str) -> Path:
        """Evidence of one phase."""
        return self.reports / f"{number}-{name}.json"
