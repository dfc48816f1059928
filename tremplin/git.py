"""Git, asked; it may not be there (an image), or know nothing of the folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# What was committed, not what somebody has put in its place since (`git replace`): it would not show in any log.
AS_COMMITTED = {**os.environ, "GIT_NO_REPLACE_OBJECTS": "1"}


def below_top(root: Path) -> str | None:
    """The folder of its repository in which ``root`` lies, such as ``pilot/``; None at the top, without git, and in a folder
    that git ignores, where a workspace is.
    """
    place = (git(root, "rev-parse", "--show-prefix") or "").strip()
    return None if not place or git(root, "check-ignore", "--quiet", ".") is not None else place


def git(root: Path, *arguments: str) -> str | None:
    """What git prints in ``root``; None where it has no answer: no git, no work tree, or nothing of that name."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, env=AS_COMMITTED, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
