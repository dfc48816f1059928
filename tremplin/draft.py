"""What is written appears whole or not at all: first under another name, a draft, and then it takes its own."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path


def draft_of(path: Path) -> Path:
    """Where ``path``, a file or a folder, is written before it takes its name; what killed processes left there is removed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        number = left.name.rpartition(".")[2]
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}")


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner may read, whole or not at all."""
    draft = draft_of(path)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
