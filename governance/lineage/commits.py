"""Files of a commit, as git keeps them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tremplin.git import AS_COMMITTED, git


def files_at(root: Path, commit: str, names: Iterable[str]) -> dict[str, bytes] | None:
    """Contents at ``commit`` of the files ``names``, without those it does not have; None where git does not know the commit.

    Args:
        root: a checkout, or a workspace that its git ignores: names are relative to it, and to the checkout.
    """
    ignored = git(root, "check-ignore", "--quiet", ".") is not None
    asked = {name: f"{commit}:{name}" if ignored else f"{commit}:./{name}" for name in sorted(set(names))}
    found = _contents(root, [f"{commit}^{{commit}}", *asked.values()])
    if not found or found[0] is None:
        return None
    return {name: content for name, content in zip(asked, found[1:], strict=True) if content is not None}


def _contents(root: Path, objects: list[str]) -> list[bytes | None]:
    """What git has under each name, None where it has nothing; empty where there is no git."""
    command, asked = ["git", "cat-file", "--batch"], "".join(f"{name}\n" for name in objects).encode()
    try:
        done = subprocess.run(
            command, cwd=root, env=AS_COMMITTED, input=asked, capture_output=True, check=True
        )
        said = done.stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    found: list[bytes | None] = []
    while said:
        heading, _, said = said.partition(b"\n")
        size = heading.rpartition(b" ")[2]
        if not size.isdigit():  # "missing", or what else it says in place of a content
            found.append(None)
            continue
        content, said = said[: int(size)], said[int(size) + 1 :]
        found.append(content)
    return found
