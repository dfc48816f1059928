"""A worker's folder: numbered segments, a lock that tells whether its owner lives, and the mark of its drain."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from pathlib import Path
from zlib import crc32

SET_ASIDE = "set-aside"  # beside the folders of the workers
_LOCK, _DRAINED = "lock", "drained"
_PLACE = struct.Struct("<QQ")


class Folder:
    """A folder that this process holds. The lock is the kernel's (flock): it ends with the process, however that ends."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self._lock = path, lock
        self.unsynced: list[
            Path
        ] = []  # folders that got a new name; a name is on disk once its folder is synced

    @classmethod
    def make(cls, root: Path) -> Folder:
        """A folder for a new worker; named by time, so that older ones come first.

        Raises:
            OSError: it cannot be made.
        """
        while True:
            name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{os.urandom(2).hex()}"
            path = root / name
            made = [one for one in (path, *path.parents) if not one.exists()]
            path.mkdir(parents=True, mode=0o700)
            if folder := cls.take(path):  # else somebody looking for the dead was faster
                folder.unsynced = [one.parent for one in made]
                return folder

    @classmethod
    def take(cls, path: Path) -> Folder | None:
        """The folder, if nobody alive holds it."""
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except (FileNotFoundError, NotADirectoryError):
            return None  # it was drained and removed meanwhile
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (path / _LOCK).stat().st_ino == os.fstat(lock).st_ino:  # else the lock of a removed folder
                return cls(path, lock)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(lock)
        return None

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def remove(self) -> None:
        """Delete it, now that all of it is drained, and release it; what cannot be deleted is found again."""
        segments = [self.segment(number) for number in self.segments()]
        with contextlib.suppress(OSError):
            for path in (*segments, self.path / _DRAINED, self.path / _LOCK):
                path.unlink(missing_ok=True)
            self.path.rmdir()
        self.release()

    def segments(self) -> list[int]:
        """Numbers of the segments, ascending."""
        return sorted(int(path.stem) for path in self.path.glob("*.spool") if path.stem.isdecimal())

    def segment(self, number: int) -> Path:
        """Where a segment lies."""
        return self.path / f"{number:08}.spool"

    def drained(self) -> tuple[int, int]:
        """Segment and offset up to which all is in the database; (0, 0) if that is not known."""
        try:
            data = (self.path / _DRAINED).read_bytes()
        except FileNotFoundError:
            return 0, 0
        place, check = data[: _PLACE.size], data[_PLACE.size :]
        if len(place) < _PLACE.size or crc32(place).to_bytes(4, "little") != check:
            return 0, 0  # torn: what is drained again is not there twice
        segment, offset = _PLACE.unpack(place)
        return int(segment), int(offset)

    def set_drained(self, segment: int, offset: int) -> None:
        """Remember the place."""
        place = _PLACE.pack(segment, offset)
        (self.path / _DRAINED).write_bytes(place + crc32(place).to_bytes(4, "little"))


def disk_use(root: Path) -> int:
    """Bytes of all files under a folder; one that is removed meanwhile counts nothing."""
    total = 0
    for path in root.glob("**/*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
