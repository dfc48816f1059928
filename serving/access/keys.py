"""API keys: made once, kept as hashes in a file, found again by a request.

A key is ``tremplin_<id>_<secret>``; the secret is 256 random bits, so one SHA-256 is the right hash: slow hashes protect
passwords, which can be guessed (NIST SP 800-63B, 5.1.2.2: look-up secrets of 112 bits or more need no salt and no
stretching). The id is no secret: it says whose key it is, in logs and to scanners for leaked keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError, model_validator

from serving.access.roles import Caller, Role
from tremplin.draft import write_private
from tremplin.errors import TremplinError
from tremplin.strict import Strict

PREFIX = b"tremplin_"
Identity = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
]  # holds no `_`: it ends the id


class StoredKey(Strict):
    """What is kept of a key: everything but the key."""

    id: Identity
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    def counts(self, now: datetime) -> bool:
        """Whether it still lets somebody in."""
        return self.expires is None or self.expires > now


class KeysFile(Strict):
    """All keys; one identity may have several, as while one replaces another."""

    keys: tuple[StoredKey, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({key.sha256 for key in self.keys}) < len(self.keys):
            raise ValueError("a key is there twice")
        return self


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as a request needs it."""

    digest: bytes
    expires: float  # seconds since 1970; infinity: never
    caller: Caller


class KeyRing:
    """The keys of one reading of the file."""

    def __init__(self, file: KeysFile) -> None:
        self._keys: dict[bytes, tuple[KnownKey, ...]] = {}
        for key in file.keys:
            known = KnownKey(
                bytes.fromhex(key.sha256),
                key.expires.timestamp() if key.expires else float("inf"),
                Caller(key.id, "key", frozenset(key.roles), f"key:{key.id}"),
            )
            name = key.id.encode()
            self._keys[name] = (*self._keys.get(name, ()), known)

    @property
    def ids(self) -> frozenset[str]:
        """Who has a key, expired or not."""
        return frozenset(name.decode() for name in self._keys)

    def find(self, key: bytes) -> KnownKey | None:
        """The key that was sent, expired or not; the time it takes says nothing about the secret."""
        digest = hashlib.sha256(key).digest()
        found = None
        for known in self._keys.get(key[len(PREFIX) :].partition(b"_")[0], ()):
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found


def parse(content: bytes, path: Path) -> KeysFile:
    """The file's keys.

    Raises:
        TremplinError: it is no such file; the place is named, and nothing of what it holds.
    """
    try:
        return KeysFile.model_validate_json(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)[:5]
        )
        raise TremplinError(
            f"{path} is no file of API keys: {faults}. Mend it, or make it anew with `tremplin key new`."
        ) from None


def read(path: Path) -> KeysFile:
    """The keys in ``path``; no file is none.

    Raises:
        TremplinError: the file cannot be read or understood.
    """
    try:
        return parse(path.read_bytes(), path)
    except FileNotFoundError:
        return KeysFile()
    except OSError as error:
        raise TremplinError(f"{path} cannot be read: {error.strerror}.") from None


def add(
    path: Path, identity: str, roles: tuple[Role, ...], now: datetime, expires: datetime | None = None
) -> str:
    """Make a key, keep its hash, and return it: it is nowhere else.

    Raises:
        TremplinError: the id does not fit, or the file cannot be read or written.
    """
    key = f"{PREFIX.decode()}{identity}_{secrets.token_hex(32)}"
    try:
        stored = StoredKey(
            id=identity,
            sha256=hashlib.sha256(key.encode()).hexdigest(),
            roles=tuple(sorted(set(roles))),
            created=now,
            expires=expires,
        )
    except ValidationError:
        raise TremplinError(
            f"An id is small letters, digits, dots and dashes, at most 63; got {identity[:80]!r}."
        ) from None
    with _changing(path):
        _write(path, (*read(path).keys, stored))
    return key


def revoke(path: Path, identity: str, *, keep_newest: bool = False) -> list[StoredKey]:
    """Take the identity's keys out of the file, all of them or all but the newest; returns what was taken out.

    Raises:
        TremplinError: there is no key of that id, or the file cannot be read or written.
    """
    with _changing(path):
        keys = read(path).keys
        theirs = sorted((key for key in keys if key.id == identity), key=lambda key: key.created)
        if not theirs:
            there = ", ".join(sorted({key.id for key in keys})) or "none"
            raise TremplinError(f"There is no key of {identity!r} in {path}. There are: {there}.")
        gone = theirs[:-1] if keep_newest else theirs
        _write(path, tuple(key for key in keys if key not in gone))
    return gone


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One change at a time: of two, neither may bring back a key that the other revoked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise TremplinError(f"{path.parent} cannot be opened: {error.strerror}.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: Path, keys: tuple[StoredKey, ...]) -> None:
    try:
        write_private(path, KeysFile(keys=keys).model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise TremplinError(f"{path} cannot be written: {error.strerror}.") from None
