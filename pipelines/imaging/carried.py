"""What an image carries: the releases that are live, verified, as one layer whose bytes depend on them alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from tremplin.errors import TremplinError
from tremplin.live import Live, current
from tremplin.release import Release, open_release
from tremplin.settings import Settings

FOLDER = "releases"  # TREMPLIN_RELEASES of the server's image
EVERYBODY_READS = 0o644  # the server runs as any user


@dataclass(frozen=True)
class Carried:
    """The releases that an image carries, the champion first."""

    pilot: str
    releases: tuple[Release, ...]
    public_key: Path
    seed: bytes  # live.json: what an empty store begins with

    @property
    def champion(self) -> Release:
        """The one that answers."""
        return self.releases[0]

    @property
    def as_of(self) -> datetime:
        """When the newest of them was made."""
        return max(release.manifest.as_of for release in self.releases)


@dataclass(frozen=True)
class Layer:
    """A layer of an image."""

    content: bytes  # tar, gzipped
    digest: str  # of the content
    unpacked: str  # digest of the tar


def live_releases(settings: Settings, engine: Engine) -> Carried:
    """Champion, challenger and previous release, once signature and hashes of each were verified.

    Raises:
        TremplinError: nothing is live.
        ReleaseRefused: one of them is not there, altered, unsigned or of another pilot.
    """
    known = current(engine, settings.pilot)
    if known is None:
        raise TremplinError(
            f"Nothing is live for the pilot {settings.pilot} in {settings.home}: run make demo, or tremplin approve, first."
        )
    live = known[1]
    names = dict.fromkeys(name for name in (live.champion, live.challenger, live.previous) if name)
    releases = [
        open_release(settings.releases / name, settings.release_public_key, pilot=settings.pilot)
        for name in names
    ]
    # A rollout that is under way stays where it is: elsewhere the champion answers alone.
    seed = Live(champion=live.champion, previous=live.previous).model_dump_json(exclude_none=True) + "\n"
    return Carried(settings.pilot, tuple(releases), settings.release_public_key, seed.encode())


def layer_of(carried: Carried) -> Layer:
    """``releases/<id>/``, ``releases/release.pub`` and ``releases/live.json``: no time, no owner, always in the same order."""
    files = {f"{FOLDER}/live.json": carried.seed, f"{FOLDER}/release.pub": carried.public_key.read_bytes()}
    for release in carried.releases:
        for path in release.path.rglob("*"):
            if path.is_file():
                name = f"{FOLDER}/{release.id}/{path.relative_to(release.path).as_posix()}"
                files[name] = path.read_bytes()
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(folders | files.keys()):
            entry = tarfile.TarInfo(name)
            if name in folders:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(files[name]), EVERYBODY_READS
                tar.addfile(entry, io.BytesIO(files[name]))
    content = gzip.compress(unpacked.getvalue(), mtime=0)
    return Layer(content, digest(content), digest(unpacked.getvalue()))


def digest(content: bytes) -> str:
    """As registries name content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
