"""Which code made a result: the git commit, and whether the files differed from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tremplin.git import git
from tremplin.settings import Settings
from tremplin.workspace import CODE, code_files, is_code

UNKNOWN = "unknown"


def code_version(settings: Settings) -> tuple[str, bool]:
    """``(commit, dirty)`` of the code under ``settings.root``.

    Dirty means a tracked change, or code that is in no commit (a new file that git does not ignore). Not ``dvc.lock`` and
    ``*.dvc``: those are results. A workspace, which git ignores, is compared with the commit file by file. Where there is no
    git (an image), both come from the settings; without those the commit is ``unknown`` and counts as dirty.
    """
    commit = git(settings.root, "rev-parse", "HEAD")
    if commit is None:
        return (settings.commit, settings.dirty) if settings.commit else (UNKNOWN, True)
    if git(settings.root, "check-ignore", "--quiet", ".") is not None:
        return commit.strip(), _differs(settings.root)
    changes = git(settings.root, "status", "--porcelain", "--untracked-files=all", "--no-renames", "-z")
    return commit.strip(), changes is None or any(_counts(line) for line in changes.split("\0") if line)


def _counts(change: str) -> bool:
    """Whether a line of ``git status`` speaks of code: any tracked file but a result, and what is new where code lies."""
    path = Path(change[3:])
    return not _is_result(path) and (not change.startswith("??") or is_code(path))


def _is_result(path: Path) -> bool:
    return path.name == "dvc.lock" or path.suffix == ".dvc"


def _differs(workspace: Path) -> bool:
    """Whether the workspace's code is not the commit's: a file is another, is missing, or is not in the commit."""
    top = Path((git(workspace, "rev-parse", "--show-toplevel") or "").strip())
    listed = (git(top, "ls-tree", "-r", "-z", "HEAD", "--", *CODE) or "").split("\0")
    committed = {Path(line.partition("\t")[2]): line.split()[2] for line in listed if line}
    names = {*committed, *code_files(workspace)}
    return any(
        _blob(workspace / name) != committed.get(name)
        for name in names
        if not _is_result(name)
        and (name in committed or git(top, "check-ignore", "--quiet", "--", str(name)) is None)
    )


def _blob(path: Path) -> str | None:
    """Git's hash of a file's content; None where there is no file."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
