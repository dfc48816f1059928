"""``dvc.lock`` read without DVC: what identifies a result, and whether the files are still those of the lock."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from tremplin.canonical import digest
from tremplin.errors import TremplinError


def result_hash(root: Path, pilot: str) -> str:
    """What identifies a result: SHA-256 of this pilot's entries of ``root/dvc.lock``.

    Raises:
        TremplinError: there is no lock, or nothing of this pilot in it.
    """
    return digest(read_stages(root, pilot))


def read_stages(root: Path, pilot: str) -> dict[str, Any]:
    """This pilot's entries (``<stage>@<pilot>``) of ``root/dvc.lock``.

    Raises:
        TremplinError: there is no lock, or nothing of this pilot in it.
    """
    return stages(_read(root / "dvc.lock"), pilot)


def stages(lock: str, pilot: str) -> dict[str, Any]:
    """This pilot's entries (``<stage>@<pilot>``) in the text of a ``dvc.lock``.

    Raises:
        TremplinError: nothing of this pilot is in it.
    """
    try:
        entries = (yaml.load(lock, Loader=yaml.CSafeLoader) or {}).get("stages", {})
    except (yaml.YAMLError, AttributeError) as error:
        raise TremplinError(
            f"dvc.lock is not a lock of DVC's: {error}. Restore it and run `dvc repro`."
        ) from None
    found = {name: entry for name, entry in entries.items() if name.partition("@")[2] == pilot}
    if not found:
        raise TremplinError(
            f"dvc.lock has no result of the pilot {pilot}. Run `tremplin run --pilot {pilot}` first."
        )
    return found


def md5_of(root: Path, pilot: str) -> dict[str, str]:
    """DVC's hash of every file and folder this pilot's stages read or wrote, by path relative to ``root``."""
    return _hashes(root, pilot, "deps") | _hashes(root, pilot, "outs")


def changed_since(root: Path, pilot: str, *, code: bool) -> list[str]:
    """Paths that are not, or no longer, what the lock says they are; empty when the result lies there untouched.

    Args:
        code: look at what the stages read too (code, contract, snapshot), not only at what they made.
    """
    expected = md5_of(root, pilot) if code else _hashes(root, pilot, "outs")
    return sorted(path for path, md5 in expected.items() if md5_by_dvc(root / path) != md5)


def _hashes(root: Path, pilot: str, kind: str) -> dict[str, str]:
    entries = read_stages(root, pilot).values()
    return {item["path"]: item["md5"] for entry in entries for item in entry.get(kind, [])}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise TremplinError(f"{path} cannot be read ({error.strerror}). Run `dvc repro` first.") from None


def md5_by_dvc(path: Path) -> str | None:
    """The hash as DVC 3 computes it, None where there is nothing.

    Of a file: of its bytes. Of a folder: of the JSON list of its files' hashes, and ``.dir``.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if not path.is_dir():
        return None
    files = sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    listing = sorted(
        ({"md5": md5_by_dvc(p), "relpath": p.relative_to(path).as_posix()} for p in files),
        key=lambda item: str(item["relpath"]),
    )
    return (
        hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
    )
