"""Which code made a result: the git commit, and whether the files differed from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tremplin.git import git
from tremplin.settings import Settings
from tremplin.workspace import CODE

UNKNOWN = "unknown"


def code_version(settings: Settings) -> tuple[str, bool]:
    """``(commit, dirty)`` of the code under ``settings.root``.

    Dirty means a tracked change outside ``dvc.lock`` and ``*.dvc``: those are results, not code. A workspace, which git
    ignores, is compared with the commit file by file. Where there is no git (an image), both come from the settings;
    without those the commit is ``unknown`` and counts as dirty.
    """
    commit = git(settings.root, "rev-parse", "HEAD")
    if commit is None:
        return (settings.commit, settings.dirty) if settings.commit else (UNKNOWN, True)
    if git(settings.root, "check-ignore", "--quiet", ".") is not None:
        return commit.strip(), _differs(settings.root)
    changes = git(settings.root, "status", "--porcelain", "--untracked-files=no", "--no-renames", "-z") or ""
    changed = [Path(line[3:]) for line in changes.split("\0") if line]
    return commit.strip(), any(path.name != "dvc.lock" and path.suffix != ".dvc" for path in changed)


def _differs(workspace: Path) -> bool:
    """Whether a file of the workspace is not the one of that name in the commit."""
    top = Path((git(workspace, "rev-parse", "--show-toplevel") or "").strip())
    listed = (git(top, "ls-tree", "-r", "-z", "HEAD", "--", *CODE) or "").split("\0")
    committed = {line.partition("\t")[2]: line.split()[2] for line in listed if line}
    return any(_blob(workspace / name) != blob for name, blob in committed.items())


def _blob(path: Path) -> str | None:
    """Git's hash of a file's content; None where there is no file."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
