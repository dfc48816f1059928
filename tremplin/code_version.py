"""Which code made a result: the git commit, and whether the files differed from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tremplin.settings import Settings

UNKNOWN = "unknown"


def code_version(settings: Settings) -> tuple[str, bool]:
    """``(commit, dirty)`` of the code under ``settings.root``.

    Dirty means a tracked change outside ``dvc.lock`` and ``*.dvc``: those are results, not code. Where there is no
    git (an image), both come from the settings; without those the commit is ``unknown`` and counts as dirty.
    """
    commit = _git(settings.root, "rev-parse", "HEAD")
    if commit is None:
        return (settings.commit, settings.dirty) if settings.commit else (UNKNOWN, True)
    changes = _git(settings.root, "status", "--porcelain", "--untracked-files=no", "--no-renames", "-z") or ""
    changed = [Path(line[3:]) for line in changes.split("\0") if line]
    return commit.strip(), any(path.name != "dvc.lock" and path.suffix != ".dvc" for path in changed)


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where there is no git or no work tree."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
