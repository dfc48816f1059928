"""The release directory: immutable, content-addressed, signed. The one thing that passes from training to serving."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError, model_validator

from tremplin.contract import Strict
from tremplin.draft import draft_of, write_private
from tremplin.errors import ReleaseRefused, TremplinError
from tremplin.target import Task

MANIFEST = "release.json"
SIGNATURE = "release.json.sig"


class GoNoGo(Strict):
    """A person's decision that this model may go out, and the exact things it covers."""

    by: str
    role: str
    as_of: datetime
    stand_in: bool  # the demo's owner, not a person
    journal_hash: str
    lock_hash: str
    verdict_hash: str
    model_hash: str


class Manifest(Strict):
    """``release.json``."""

    pilot: str
    as_of: datetime
    model_version: int
    mlflow_run: str
    commit: str
    dirty: bool
    data_hash: str
    contract_hash: str
    lock_hash: str
    verdict_hash: str
    go_no_go: GoNoGo
    task: Task = Task.CLASSIFICATION  # releases from before amounts do not say it
    decision_threshold: float | None  # of a probability; an amount has none
    files: dict[str, str]  # relative path -> SHA-256

    @model_validator(mode="after")
    def _decides_or_measures(self) -> Self:
        if (self.task is Task.CLASSIFICATION) is (self.decision_threshold is None):
            raise ValueError(f"a {self.task} with the decision_threshold {self.decision_threshold}")
        return self


@dataclass(frozen=True)
class Release:
    """A release that was verified when it was opened."""

    id: str
    path: Path
    manifest: Manifest


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_release(root: Path, files: Mapping[str, Path], manifest: Manifest, signing_key: Path) -> Release:
    """Make ``root/<id>/`` from ``files``; the manifest's ``files`` are filled in here.

    The same content has the same id; a release that is there already is left as it is. It appears whole or not at all.
    """
    manifest = manifest.model_copy(
        update={"files": {name: sha256(path) for name, path in sorted(files.items())}}
    )
    content = manifest.model_dump_json(indent=2).encode()
    identity = hashlib.sha256(content).hexdigest()[:16]
    final = root / identity
    if not final.exists():
        draft = draft_of(final)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, path in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, draft / name)
        (draft / MANIFEST).write_bytes(content)
        (draft / SIGNATURE).write_bytes(_private_key(signing_key).sign(content))
        draft.rename(final)
    return Release(identity, final, manifest)


def open_release(path: Path, public_key: Path, *, pilot: str | None = None) -> Release:
    """Verify signature and hashes, then read the manifest.

    Raises:
        ReleaseRefused: unsigned, signed by another key, altered, incomplete, with a file too many, or of another pilot.
    """
    try:
        content, signature = (path / MANIFEST).read_bytes(), (path / SIGNATURE).read_bytes()
    except OSError as error:
        raise ReleaseRefused(
            f"Release {path} is incomplete: {error.strerror} ({error.filename}). Copy it again."
        ) from None
    try:
        _public_key(public_key).verify(signature, content)
    except InvalidSignature:
        raise ReleaseRefused(
            f"Release {path}: release.json is not signed by the key {public_key}. It was altered, or signed elsewhere."
        ) from None
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ReleaseRefused(
            f"Release {path}: release.json is not one of this version of Tremplin: {error}"
        ) from None
    if pilot is not None and manifest.pilot != pilot:
        raise ReleaseRefused(f"Release {path} is of the pilot {manifest.pilot}; this server serves {pilot}.")
    found = {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()} - {MANIFEST, SIGNATURE}
    differing = sorted(found ^ set(manifest.files)) or [
        name for name, expected in manifest.files.items() if sha256(path / name) != expected
    ]
    if differing:
        raise ReleaseRefused(
            f"Release {path} was altered or half copied: {', '.join(differing)}. Copy it again."
        )
    return Release(hashlib.sha256(content).hexdigest()[:16], path, manifest)


def make_keys(private: Path, public: Path) -> None:
    """Make an Ed25519 key pair where there is none (development; in production the key is given)."""
    if private.exists():
        return
    private.parent.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    # Last: where the private key is, the pair is whole.
    write_private(
        private,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _private_key(path: Path) -> Ed25519PrivateKey:
    load = partial(serialization.load_pem_private_key, password=None)
    name, setting = "signing key", "TREMPLIN_SIGNING_KEY"
    key: Ed25519PrivateKey = _key(path, Ed25519PrivateKey, load, name=name, setting=setting)
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    load = serialization.load_pem_public_key
    name, setting = "public key", "TREMPLIN_RELEASE_PUBLIC_KEY"
    key: Ed25519PublicKey = _key(
        path, Ed25519PublicKey, load, name=name, setting=setting, refusal=ReleaseRefused
    )
    return key


def _key(
    path: Path,
    kind: type,
    load: Callable[[bytes], object],
    *,
    name: str,
    setting: str,
    refusal: type[TremplinError] = TremplinError,
) -> Any:
    """The key of one ``kind`` in a PEM file; ``refusal`` says which it is, and the ``setting`` that names the file."""
    try:
        key = load(path.read_bytes())
    except (OSError, ValueError) as error:
        raise refusal(f"The {name} {path} cannot be read: {error}. Set {setting}.") from None
    if not isinstance(key, kind):
        raise refusal(f"The {name} {path} is not an Ed25519 key.")
    return key
