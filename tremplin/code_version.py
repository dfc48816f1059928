"""Which code made a result: the git commit, and whether the files differed from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from tremplin.git import below_top, git
from tremplin.settings import Settings
from tremplin.workspace import CODE, code_files, is_code

UNKNOWN = "unknown"
IMPORTED = tuple(all_suffixes())  # .py, and what was compiled from it or from C


def code_version(settings: Settings) -> tuple[str, bool]:
    """``(commit, dirty)`` of the code under ``settings.root``.

    Dirty means a tracked change, or code that is in no commit: a new file where code lies, and whatever Python can import from
    there, even if git ignores it. Not ``dvc.lock`` and ``*.dvc``: those are results. A workspace, which git ignores, is
    compared with the commit file by file. Where there is no git (an image), both come from the settings; without those the
    commit is ``unknown`` and counts as dirty.
    """
    commit = git(settings.root, "rev-parse", "HEAD")
    if commit is None:
        return (settings.commit, settings.dirty) if settings.commit else (UNKNOWN, True)
    if git(settings.root, "check-ignore", "--quiet", ".") is not None:
        return commit.strip(), _differs(settings.root)
    changes = git(settings.root, "status", "--porcelain", "--untracked-files=all", "--no-renames", "-z")
    place = below_top(settings.root) or ""
    return commit.strip(), (
        changes is None
        or any(_counts(line, place) for line in changes.split("\0") if line)
        or _knows_less_than_python(settings.root)
    )


def _counts(change: str, place: str) -> bool:
    """Whether a line of ``git status`` speaks of code: any tracked file but a result, and what is new where code lies.

    Args:
        place: of the checkout in its repository, from which git counts.
    """
    name = change[3:]
    if change.startswith("??"):
        name = name.removeprefix(place) if name.startswith(place) else ""
        return is_code(Path(name)) and not _is_result(Path(name))
    return not _is_result(Path(name))


def _knows_less_than_python(root: Path) -> bool:
    """Whether something can be imported from ``root`` that git does not track: it may be ignored by any of four files."""
    tracked = set((git(root, "ls-files", "-z") or "").split("\0"))
    return any(name.as_posix() not in tracked for name in _importable(root))


def _importable(root: Path) -> Iterator[Path]:
    """Files, relative to ``root``, that ``import`` finds from there; of a folder that is elsewhere its link."""
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        links = [name for name in folders if (root / here / name).is_symlink()]
        yield from (here / name for name in [*links, *files] if name in links or name.endswith(IMPORTED))


def _is_result(path: Path) -> bool:
    return path.name == "dvc.lock" or path.suffix == ".dvc"


def _differs(workspace: Path) -> bool:
    """Whether the workspace's code is not the commit's: a file is another, is missing, or is not in the commit."""
    top = Path((git(workspace, "rev-parse", "--show-toplevel") or "").strip())
    listed = (git(top, "ls-tree", "-r", "-z", "HEAD", "--", *CODE) or "").split("\0")
    committed = {Path(line.partition("\t")[2]): line.split()[2] for line in listed if line}
    importable = set(_importable(workspace))
    names = {*committed, *code_files(workspace), *importable}
    return any(
        _blob(workspace / name) != committed.get(name)
        for name in names
        if not _is_result(name)
        and (
            name in committed
            or name in importable
            or git(top, "check-ignore", "--quiet", "--", str(name)) is None
        )
    )


def _blob(path: Path) -> str | None:
    """Git's hash of a file's content; None where there is no file."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
