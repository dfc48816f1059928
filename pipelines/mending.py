"""What DVC rewrites in place, put right where a killed process left it empty or half written. It refuses to start otherwise.

- ``dvc.lock``: as the last `dvc repro` left it; what stages made since then is in DVC's run cache, and not made again.
- ``snapshot.parquet.dvc``: removed, for ``dvc add`` writes it whole again.
- ``.dvc/tmp/rwlock``, which files running commands read and write: removed where none of these commands runs any more. DVC asks
  for their numbers only, and after a power cut, or in a new container, a number may be another process's, or a zombie's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from tremplin.draft import draft_of
from tremplin.paths import Paths


def mend(paths: Paths) -> None:
    """Put right what is broken of the three files."""
    rwlock, lock, kept = paths.root / ".dvc" / "tmp" / "rwlock", paths.root / "dvc.lock", _kept(paths)
    tracked = paths.snapshot.with_name(paths.snapshot.name + ".dvc")
    if rwlock.exists() and not any(_runs(**command) for command in _commands(rwlock)):
        rwlock.unlink()
    # DVC writes the path last, so where that is whole all is.
    if tracked.exists() and [out.get("path") for out in _entries(tracked, "outs")] != [paths.snapshot.name]:
        tracked.unlink()
    if lock.exists() and not _is_lock(lock):
        if kept.exists():
            _copy(kept, lock)
        else:  # the first `dvc repro` of all was killed
            lock.unlink()


def keep_lock(paths: Paths) -> None:
    """Remember ``dvc.lock``, which `dvc repro` has just written to its end."""
    _copy(paths.root / "dvc.lock", _kept(paths))


def _kept(paths: Paths) -> Path:
    return paths.root / ".dvc" / "tmp" / "dvc.lock.kept"


def _copy(source: Path, target: Path) -> None:
    draft = draft_of(target)
    shutil.copyfile(source, draft)
    draft.replace(target)


def _commands(rwlock: Path) -> list[dict[str, Any]]:
    """``pid`` and ``cmd`` of every reader and writer; none where the file cannot be read."""
    try:
        held = json.loads(rwlock.read_bytes())
        readers = [reader for of_path in held.get("read", {}).values() for reader in of_path]
        return [*readers, *held.get("write", {}).values()]
    except (ValueError, AttributeError):
        return []


def _runs(pid: int, cmd: str) -> bool:
    """Whether the process of that number is the one that DVC wrote down; ``cmd`` is its ``sys.argv``."""
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(pid)
        words = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and words.endswith(cmd.partition(" ")[2])
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def _is_lock(path: Path) -> bool:
    """Whether every stage says what it ran and made, and of every file what it was: all that DVC needs."""
    stages = _entries(path, "stages")
    files = [file for stage in stages for kind in ("deps", "outs") for file in stage.get(kind) or []]
    whole = all("cmd" in stage and "outs" in stage for stage in stages)
    return bool(stages) and whole and all(isinstance(file, dict) and "md5" in file for file in files)


def _entries(path: Path, key: str) -> list[dict[str, Any]]:
    """The mappings under ``key`` of a YAML file; none where it cannot be read so far."""
    try:
        found = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)[key]
        entries = list(found.values()) if isinstance(found, dict) else list(found)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError):
        return []
    return entries if all(isinstance(entry, dict) for entry in entries) else []
