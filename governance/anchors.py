"""Anchors: the head of the journal in a small signed file, for somebody else to keep.

A chain of hashes finds a change in its middle. Who owns the database can rewrite all of it, consistently; they cannot
rewrite what a third party holds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError
from sqlalchemy.engine import Engine

from governance.identity import Signer, holder
from governance.signatures import signing_key
from tremplin import journal
from tremplin.canonical import canonical
from tremplin.contract import Strict
from tremplin.errors import TremplinError


class Anchor(Strict):
    """What the file says: the newest entry, when it was."""

    action: Literal["anchor"] = "anchor"  # so that no other signed statement can pass for one
    number: int = Field(ge=1)
    hash: str
    recorded_at: AwareDatetime
    anchored_at: AwareDatetime


def write_anchor(engine: Engine, file: Path, *, sign: Callable[[bytes], str], now: datetime) -> Anchor:
    """Write the journal's head to ``file``, and its signature to ``file.sig``.

    Raises:
        TremplinError: the journal is empty or does not verify: a broken chain is not anchored.
    """
    entries = journal.entries(engine)
    problems = journal.broken(entries)
    if problems or not entries:
        raise TremplinError(f"There is nothing to anchor: {'; '.join(problems) or 'the journal is empty'}.")
    head = entries[-1]
    anchor = Anchor(number=head.number, hash=head.hash, recorded_at=head.recorded_at, anchored_at=now)
    content = canonical(anchor.model_dump(mode="json"))
    write_signed(file, content, sign(content))
    return anchor


def write_signed(file: Path, content: bytes, signature: str) -> None:
    """A statement and, beside it as ``file.sig``, its signature: what ``ssh-keygen -Y verify`` reads.

    Raises:
        TremplinError: a file cannot be written.
    """
    try:
        file.write_bytes(content)
        _signature_of(file).write_text(signature, "ascii")
    except OSError as error:
        raise TremplinError(
            f"{error.filename} cannot be written: {error.strerror}. Name a file in a folder that is there."
        ) from None


def against_anchor(
    engine: Engine, file: Path, *, signers: list[Signer], release_key: str | None
) -> tuple[Anchor, str, list[str]]:
    """What the file says, whose signature it bears, and what speaks against the journal.

    Args:
        release_key: public line of the key that releases are signed with, which signs anchors where no person does.

    Raises:
        TremplinError: the file is no anchor, or nobody known signed it: it shows nothing.
    """
    try:
        content = file.read_bytes()
        key = signing_key(content, _signature_of(file).read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise TremplinError(
            f"The anchor cannot be read: {error}. It is two files, {file} and its .sig."
        ) from None
    if key is None:
        raise TremplinError(f"The anchor {file} is not what was signed. Ask its keeper for the original.")
    try:
        anchor = Anchor.model_validate_json(content)
    except ValidationError:
        raise TremplinError(f"{file} is signed, but no anchor of a journal.") from None
    who = "the release key" if key == release_key else holder(signers, key, anchor.anchored_at)
    entries = journal.entries(engine)
    found = next((e for e in entries if e.number == anchor.number), None)
    at = f"entry {anchor.number}, anchored on {anchor.anchored_at:%Y-%m-%d %H:%M} UTC"
    if found is None:
        return anchor, who, [f"{at}, is missing: the newest entries were cut off"]
    if found.hash != anchor.hash:
        return anchor, who, [f"{at}, is another one now: the journal was rewritten"]
    # The anchored entry was the newest when it was anchored: whatever follows it was recorded later than that.
    return (
        anchor,
        who,
        journal.dated_back([e for e in entries if e.number > anchor.number], anchor.anchored_at),
    )


def _signature_of(file: Path) -> Path:
    return file.with_name(file.name + ".sig")
