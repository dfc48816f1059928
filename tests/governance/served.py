"""One answer of a released model, and everything it is followed back to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine

from governance.lineage import Trace, trace
from tests.results import Result
from tremplin.lock import md5_by_dvc
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.workspace import cached

LINKS = [
    "prediction", "release", "MLflow run", "commit", "data", "contract", "charter", "lock", "reports", "gate verdict", "approval",
    "outcome",
]  # fmt: skip
CODE = [f"pilots/flights/{name}.py" for name in ("features", "model")]
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]


@dataclass
class Served:
    """A real result, recorded, judged, approved and released, and one answer of it."""

    result: Result
    settings: Settings
    engine: Engine
    release: Release

    def trace(self) -> Trace:
        return trace(self.settings, self.engine, "p1")

    @property
    def artifacts(self) -> Path:
        return self.settings.home / "mlartifacts" / "flights" / self.release.manifest.mlflow_run / "artifacts"

    @property
    def logged_model(self) -> Path:
        (path,) = (self.settings.home / "mlartifacts" / "flights" / "models").rglob("model.onnx")
        return path

    @property
    def rows(self) -> Path:
        """The snapshot in DVC's cache."""
        md5 = md5_by_dvc(self.result.paths.snapshot)
        assert md5
        return cached(self.result.root, md5)


def detail(found: Trace, name: str) -> str:
    return next(link.detail for link in found.links if link.name == name)
