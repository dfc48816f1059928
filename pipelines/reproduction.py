"""A recorded version made again, in an empty folder, from its commit, its lock and its snapshot: the same bytes, or what differs.

Requirement: whoever doubts a model can make it again without asking who made it.
Risk: a result that hangs on something nobody wrote down: an uncommitted file, a library, a processor, the time of day.
Quality method: the code is the commit's, the lock is the one on the MLflow run, the snapshot is fetched by its hash; every
stage runs again, nothing is taken from DVC's cache of stages; every output is compared by its hash.
Evidence: the journal's entry of kind `reproduction`.
"""

from __future__ import annotations

import configparser
import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.recording import Recorded, version_facts
from pipelines.reproducing import fetch, reproduce_all
from tremplin.canonical import digest
from tremplin.code_version import UNKNOWN
from tremplin.errors import TremplinError
from tremplin.git import AS_COMMITTED, git
from tremplin.lock import md5_by_dvc, stages
from tremplin.paths import Paths
from tremplin.settings import Settings
from tremplin.tracking import load_mlflow, tracking
from tremplin.workspace import CODE, cache_of, code_files, copy_code

LOCK = "dvc.lock"


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    version: int
    commit: str
    folder: Path
    outputs: dict[str, bool]  # each file and folder that the stages made: whether it has the recorded hash

    @property
    def same(self) -> bool:
        """Whether every byte came again."""
        return all(self.outputs.values())

    @property
    def differing(self) -> list[str]:
        """The outputs that came out otherwise."""
        return [path for path, same in self.outputs.items() if not same]


def reproduce_version(settings: Settings, pilot: str, version: int, folder: Path) -> Reproduction:
    """Make version ``version`` of ``pilot`` again in ``folder``, which is empty or not there yet.

    Raises:
        TremplinError: the version, its lock, its code or its snapshot cannot be had as they were; it says which. Nothing was run.
    """
    if folder.exists() and any(folder.iterdir()):
        raise TremplinError(f"{folder} is not empty. Name a folder that is, so that nothing in it can help.")
    recorded = version_facts(settings, pilot, version)
    text = _lock_of(settings, recorded)
    entries = stages(text, pilot)
    _code(settings.root, recorded.commit, folder)
    (folder / LOCK).write_text(text, "utf-8")
    _configure_dvc(settings.root, folder)
    paths = Paths(folder, pilot)
    _require_inputs(entries, paths, recorded)
    fetch(paths, _track(entries, paths))
    reproduce_all(paths)
    made = _items(stages((folder / LOCK).read_text("utf-8"), pilot), "outs")
    before = _items(entries, "outs")
    return Reproduction(
        version, recorded.commit, folder, {path: made.get(path) == before[path] for path in sorted(before)}
    )


def _lock_of(settings: Settings, recorded: Recorded) -> str:
    """``dvc.lock`` as the run keeps it; only if it is still the one that names the version."""
    from mlflow.exceptions import MlflowException

    tracking(settings)
    try:
        text = str(load_mlflow().artifacts.load_text(f"runs:/{recorded.run_id}/{LOCK}"))
    except (MlflowException, OSError) as error:
        raise TremplinError(
            f"The run {recorded.run_id} of version {recorded.model_version} has no readable {LOCK}: {error}. "
            "Restore MLflow's artifacts from their backup."
        ) from error
    if digest(stages(text, recorded.pilot)) != recorded.result_hash:
        raise TremplinError(
            f"The {LOCK} on the run {recorded.run_id} is not the one that version {recorded.model_version} was recorded with: "
            "it was altered."
        )
    return text


def _code(root: Path, commit: str, folder: Path) -> None:
    """The commit's code; where there is no git, or no commit was known, the code that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if commit == UNKNOWN:
        copy_code(root, folder, code_files(root))
        return
    top = (git(root, "rev-parse", "--show-toplevel") or str(root)).strip()
    known = git(Path(top), "ls-tree", "--name-only", commit, "--", *CODE)
    if not known:
        raise TremplinError(
            f"The commit {commit[:12]} is not in the repository of {root}. Fetch it (`git fetch`), then try again."
        )
    archive = ["git", "-C", top, "archive", "--format=tar", commit, "--", *known.split()]
    content = subprocess.run(archive, env=AS_COMMITTED, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        # A filter where this Python has one (3.11.4); git made the archive.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)  # noqa: S202  # nosec B202


def _configure_dvc(root: Path, folder: Path) -> None:
    """The checkout's cache and remotes; a remote that is a path stays where it was, not beside the new folder."""
    own = configparser.ConfigParser()
    own.read(folder / ".dvc" / "config", "utf-8")
    lines = ["[core]", "no_scm = true", "[cache]", f"dir = {cache_of(root)}"]
    for section in own.sections():
        url = own.get(section, "url", fallback="")
        if url and "://" not in url:
            lines += [f"[{section}]", f"url = {(root / '.dvc' / url).resolve()}"]
    (folder / ".dvc" / "config.local").write_text("\n".join([*lines, ""]), "utf-8")


def _require_inputs(entries: dict[str, Any], paths: Paths, recorded: Recorded) -> None:
    """The code and contract that the lock names; what the stages make is not there yet, nor is the snapshot."""
    made = _items(entries, "outs")
    data = paths.snapshot.relative_to(paths.root).as_posix()
    within = tuple(f"{path}/" for path in made)
    inputs = {
        path: md5
        for path, md5 in _items(entries, "deps").items()
        if path != data and path not in made and not path.startswith(within)
    }
    changed = sorted(path for path, md5 in inputs.items() if md5_by_dvc(paths.root / path) != md5)
    if changed:
        raise TremplinError(
            f"Version {recorded.model_version} was made with other code than commit {recorded.commit[:12]} holds: "
            f"{', '.join(changed)}. It was recorded as {'changed since that commit' if recorded.dirty else 'unchanged'}; "
            "without those files it cannot be made again. Outside development, train from a clean commit."
        )


def _track(entries: dict[str, Any], paths: Paths) -> Path:
    """The file that names the snapshot to DVC, written from the lock."""
    name = paths.snapshot.relative_to(paths.root).as_posix()
    found = next(item for entry in entries.values() for item in entry.get("deps", []) if item["path"] == name)
    tracked = paths.snapshot.with_name(f"{paths.snapshot.name}.dvc")
    tracked.parent.mkdir(parents=True, exist_ok=True)
    tracked.write_text(yaml.safe_dump({"outs": [{**found, "path": paths.snapshot.name}]}), "utf-8")
    return tracked


def _items(entries: dict[str, Any], kind: str) -> dict[str, str]:
    return {item["path"]: item["md5"] for entry in entries.values() for item in entry.get(kind, [])}
