"""Git, asked; it may not be there (an image), or know nothing of the folder."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(root: Path, *arguments: str) -> str | None:
    """What git prints in ``root``; None where it has no answer: no git, no work tree, or nothing of that name."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
