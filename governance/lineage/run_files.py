"""The files that MLflow keeps of a run, as bytes, and the lock among them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.lock import stages

REPORTS = "reports"


@dataclass(frozen=True)
class RunFiles:
    """Artifacts of a run, and its model; what is not there, or cannot be had, is None."""

    uri: str  # of the run's artifacts
    model_uri: str  # of the folder of the version's model

    def read(self, path: str) -> bytes | None:
        """An artifact of the run."""
        return next(iter(_download(f"{self.uri}/{path}").values()), None)

    def reports(self) -> dict[str, bytes]:
        """Evidence of the phases, by the file's name."""
        return _download(f"{self.uri}/{REPORTS}")

    def model(self) -> bytes | None:
        """The logged ``model.onnx``."""
        return next(iter(_download(f"{self.model_uri}/model.onnx").values()), None)


def _download(uri: str) -> dict[str, bytes]:
    """A file, or the files of a folder, by name; empty where MLflow has none."""
    import mlflow
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            there = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
            files = sorted(there.iterdir()) if there.is_dir() else [there]
            return {path.name: path.read_bytes() for path in files}
        except (MlflowException, OSError):
            return {}


@dataclass(frozen=True)
class Lock:
    """One pilot's entries of a ``dvc.lock``."""

    entries: Mapping[str, Any]
    hash: str  # of the entries, as it identifies a result

    @property
    def inputs(self) -> dict[str, str]:
        """DVC's hash of what the stages read and no stage made, by path: the rows, the contract, the code."""
        made = self.outputs
        within = tuple(f"{path}/" for path in made)
        read = self._items("deps")
        return {path: read[path] for path in read if path not in made and not path.startswith(within)}

    @property
    def outputs(self) -> dict[str, str]:
        """DVC's hash of what the stages made, by path."""
        return self._items("outs")

    def _items(self, kind: str) -> dict[str, str]:
        return {item["path"]: item["md5"] for entry in self.entries.values() for item in entry.get(kind, [])}


def read_lock(content: bytes | None, pilot: str) -> Lock | None:
    """None where it is missing, or no lock of DVC's with entries of the pilot: whatever stands there now."""
    try:
        entries = stages((content or b"").decode(), pilot)
        return Lock(entries, digest(entries))
    except (TremplinError, ValueError, TypeError, AttributeError):
        return None


def md5(content: bytes) -> str:
    """The hash by which DVC names a file's content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def sha256_of(content: bytes) -> str:
    """The hash by which releases and runs name a file's content."""
    return hashlib.sha256(content).hexdigest()
