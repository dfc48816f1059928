"""The spool of one worker: what was appended is as safe as ``TREMPLIN_SPOOL_FSYNC`` says when ``append`` returns."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, NamedTuple

from serving.spool.backlog import Backlog
from serving.spool.folder import Folder, disk_use
from serving.spool.frames import make_header
from tremplin.settings import Settings

Fsync = Literal["group", "interval", "never"]
Waiting = tuple[bytes, "asyncio.Future[None]"]

SEGMENT = 16 * 2**20  # bytes; a segment is deleted as a whole once it is drained
SEGMENT_SECONDS = 600.0  # a segment ends after this time too: what is drained shall not lie about for days
RESERVE = 2**20  # bytes that must be free before a segment is begun
INTERVAL = 0.1  # seconds between two fsyncs of `interval`, and between two attempts where writing failed
FULL = (errno.ENOSPC, errno.EDQUOT)

log = logging.getLogger("serving")


class SpoolFailed(Exception):
    """A record was not kept; says why, and what to do."""


class _LimitReached(OSError):
    """The spools of the pilot take as much as they may."""


class Mark(NamedTuple):
    """The end of what is acknowledged, or about to be."""

    segment: int
    offset: int
    sequence: int  # of the next frame


class Spool:
    """Append-only log. ``append``, ``open`` and ``close`` belong to the thread of the event loop.

    Attributes:
        problem: why nothing can be written now, or None. It goes away by itself.
        appended, groups, failures: frames kept, writes that kept them, appends that were refused.
    """

    def __init__(self, root: Path, *, fsync: Fsync, limit: int) -> None:
        self.root, self._fsync, self._limit = root, fsync, limit
        self.problem: str | None = None
        self.groups = self.failures = 0
        self.end = Mark(0, 0, 0)
        self.folder: Folder | None = None
        self.backlog: Backlog | None = None  # what is not drained; None until the folder could be made
        self._segment_bytes = min(SEGMENT, limit // 8)
        self._fd: int | None = None  # the segment that is written; None while there is a problem
        self._begun = 0.0
        self._retired: list[int] = []  # segments to be synced and closed, by the thread alone
        self._unsynced = self._closing = False
        self._lock = threading.Lock()  # of the segment that is written
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        with contextlib.suppress(SpoolFailed):
            self._begin()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, settings: Settings) -> Spool:
        """The spool of this process, under ``settings.spool``; where that cannot be written, ``problem`` says so."""
        return cls(
            settings.spool / settings.pilot,
            fsync=settings.spool_fsync,
            limit=settings.spool_max_mb * 2**20,
        )

    @property
    def appended(self) -> int:
        """Frames kept since the start."""
        return self.end.sequence

    @property
    def depth(self) -> int:
        """Frames of this worker that are not in the database."""
        return self.end.sequence - (self.backlog.sequence if self.backlog else 0)

    @property
    def disk_bytes(self) -> int:
        """What this worker's files take."""
        return disk_use(self.folder.path) if self.folder else 0

    @property
    def oldest(self) -> datetime | None:
        """When the oldest frame that is not in the database was written; None if all are."""
        moment = self.backlog.oldest() if self.backlog and self.depth else None
        return None if moment is None else datetime.fromtimestamp(moment / 1e9, UTC)

    async def append(self, payload: bytes) -> None:
        """Keep one record.

        Raises:
            SpoolFailed: it was not kept.
        """
        if self.problem or self._closing:
            self.failures += 1
            raise SpoolFailed(self.problem or "The server is stopping.")
        try:
            if self._fsync == "group":
                kept = asyncio.get_running_loop().create_future()
                self._queue.put((payload, kept))
                await kept
            else:
                with self._lock:
                    self.end = self._write((payload,))
                    self._unsynced = True
        except SpoolFailed:
            self.failures += 1
            raise

    def close(self) -> None:
        """Write what waits, and end. A folder that is wholly drained is removed; what is left is the next drain's."""
        self._closing = True
        self._queue.put(None)
        self._thread.join()
        if self.folder:
            self.folder.release() if self.depth else self.folder.remove()

    def _write(self, payloads: Sequence[bytes]) -> Mark:
        """One write of whole frames, or of none; the end behind them. Called with the lock."""
        segment, offset, sequence = self.end
        now = time.time_ns()
        parts: list[bytes] = []
        for number, payload in enumerate(payloads, sequence):
            parts += (make_header(payload, number, now), payload)
        frames = b"".join(parts)
        if offset and offset + len(frames) > self._segment_bytes:
            self._begin()
            segment, offset, _ = self.end
        if self._fd is None:
            raise SpoolFailed(self.problem)
        try:
            written = os.write(self._fd, frames)
            while written < len(frames):  # the disk is nearly full, or a signal came: the next write tells
                written += os.write(self._fd, frames[written:])
        except OSError as error:
            raise self._fail(error) from None
        self.groups += 1
        return Mark(segment, offset + len(frames), sequence + len(payloads))

    def _begin(self) -> None:
        """Begin a segment. Called with the lock."""
        self._retire()
        try:
            self._require_room()
            if self.folder is None:
                self.folder = Folder.make(self.root)
                self.backlog = Backlog(self.folder, lambda: self.end[:2])
            number = self.end.segment + 1
            path = self.folder.segment(number)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            try:
                os.posix_fallocate(fd, 0, min(RESERVE, self._segment_bytes))
                os.ftruncate(fd, 0)
            except OSError:
                os.close(fd)
                path.unlink()
                raise
        except OSError as error:
            raise self._fail(error) from None
        self.folder.unsynced.append(self.folder.path)
        self._fd, self._begun = fd, time.monotonic()
        self.end = Mark(number, 0, self.end.sequence)
        if self.problem:
            log.warning("The spool can be written again.")
            self.problem = None

    def _require_room(self) -> None:
        if disk_use(self.root) + self._segment_bytes > self._limit:
            raise _LimitReached

    def _retire(self) -> None:
        if self._fd is not None:
            self._retired.append(self._fd)
            self._fd = None

    def _fail(self, error: OSError) -> SpoolFailed:
        """Take back what is not acknowledged, and leave the segment: after a failed fsync nobody knows what it holds."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.end.offset)
        self._retire()
        reason = self._reason(error)
        if reason != self.problem:
            self.problem = reason
            log.error(reason)
        return SpoolFailed(reason)

    def _reason(self, error: OSError) -> str:
        if isinstance(error, _LimitReached):
            return (
                f"The spool {self.root} holds as much as it may ({self._limit // 2**20} MiB, TREMPLIN_SPOOL_MAX_MB): "
                "the database has been away for long. Bring it back, or raise the limit."
            )
        if error.errno in FULL:
            return f"The disk of the spool {self.root} is full. Free space there; the spool then goes on by itself."
        return (
            f"The spool {self.root} cannot be written ({os.strerror(error.errno or 0)}). Mend its disk or its "
            "permissions, or set TREMPLIN_SPOOL to another folder."
        )

    def _run(self) -> None:
        """Commit groups, and tend the files."""
        going_on = True
        while going_on:
            group, going_on = self._gather()
            if group:
                self._commit(group)
            self._tend()
        with self._lock:
            self._retire()
        self._tend()

    def _gather(self) -> tuple[list[Waiting], bool]:
        """All that wait, and whether to go on."""
        group: list[Waiting] = []
        with contextlib.suppress(Empty):
            waiting = self._queue.get(timeout=INTERVAL)
            while waiting:
                group.append(waiting)
                waiting = self._queue.get_nowait()
            return group, False
        return group, True

    def _commit(self, group: list[Waiting]) -> None:
        """One write and one fsync for all who waited; while it lasts, the next gather."""
        failed: SpoolFailed | None = None
        with self._lock:
            try:
                end = self._write([payload for payload, _ in group])
                self._sync()
                self.end = end
            except OSError as error:
                failed = self._fail(error)
            except SpoolFailed as error:
                failed = error
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
            group[0][1].get_loop().call_soon_threadsafe(_answer, group, failed)

    def _sync(self) -> None:
        """Data, its length and the names of new files are on the disk when this returns."""
        if self._fd is not None:
            os.fdatasync(self._fd)
        unsynced = self.folder.unsynced if self.folder else []
        while unsynced:
            fd = os.open(unsynced[0], os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            unsynced.pop(0)

    def _tend(self) -> None:
        """Sync where it is time, close what is done with, begin a segment where the last failed or is old."""
        with self._lock:
            retired, self._retired = self._retired, []
            old = self.end.offset and time.monotonic() - self._begun > SEGMENT_SECONDS
            if not self._closing and (self._fd is None or old):
                with contextlib.suppress(SpoolFailed):
                    self._begin()
        try:
            if self._unsynced and self._fsync == "interval":
                self._unsynced = False
                for fd in retired:
                    os.fdatasync(fd)
                self._sync()
        except OSError as error:
            with self._lock:
                self._fail(error)
        for fd in retired:
            os.close(fd)


def _answer(group: list[Waiting], failed: SpoolFailed | None) -> None:
    """Tell each who still waits, in order."""
    for _, kept in group:
        if kept.done():  # its caller was cancelled
            continue
        if failed:
            kept.set_exception(SpoolFailed(*failed.args))
        else:
            kept.set_result(None)
