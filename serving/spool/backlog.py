"""What of a worker's folder is not in the database yet, read in blocks from the files: memory does not grow with it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from serving.spool.folder import Folder
from serving.spool.frames import HEADER, Damage, Frame, read_header, scan

BLOCK = 2**19  # bytes read at once: some 500 rows of `flights`; more only where one frame is longer


@dataclass(frozen=True)
class Batch:
    """Frames in their order, the place behind them, and whether more can be read at once."""

    items: list[Frame | Damage]
    offset: int
    more: bool


class Backlog:
    """Reads a folder from the place where it was left.

    Args:
        end: segment and offset behind the last frame that is acknowledged; of a dead worker, the end of its last file.
        dead: whether its writer is gone: then the last frame may be torn.
    """

    def __init__(self, folder: Folder, end: Callable[[], tuple[int, int]], *, dead: bool = False) -> None:
        self.folder, self._end, self._dead = folder, end, dead
        self.sequence = 0  # of the first frame that is not drained
        self._segment, self._offset = folder.drained()

    @classmethod
    def of_dead(cls, folder: Folder) -> Backlog:
        """What a dead worker left."""
        last = max(folder.segments(), default=0)
        size = folder.segment(last).stat().st_size if last else 0
        return cls(folder, lambda: (last, size), dead=True)

    def read(self) -> Batch | None:
        """The next frames, at least one; None if there are none. Repeats itself until ``passed`` is called.

        Raises:
            OSError: a file cannot be read.
        """
        while True:
            end_segment, end_offset = self._end()
            current = self._segment == end_segment
            path = self.folder.segment(self._segment)
            size = path.stat().st_size if path.exists() else 0
            stop = min(size, end_offset) if current else size
            if self._offset < stop:
                return self._block(stop, last=current)
            if self._segment >= end_segment:
                return None
            path.unlink(missing_ok=True)
            following = (number for number in self.folder.segments() if number > self._segment)
            self._segment, self._offset = next(following, end_segment), 0

    def passed(self, batch: Batch) -> None:
        """All of it is in the database, or set aside."""
        self.folder.set_drained(self._segment, batch.offset)
        self._offset = batch.offset
        frames = [item for item in batch.items if isinstance(item, Frame)]
        if frames:
            self.sequence = frames[-1].header.sequence + 1

    def oldest(self) -> int | None:
        """Nanoseconds since 1970 when the next frame was written; None if that cannot be told."""
        place = {self._segment: self._offset}
        for number in self.folder.segments():
            if number >= self._segment:
                with contextlib.suppress(OSError), self.folder.segment(number).open("rb") as file:
                    header = read_header(os.pread(file.fileno(), HEADER, place.get(number, 0)))
                    if header:
                        return header.moment
        return None

    def _block(self, stop: int, *, last: bool) -> Batch:
        items: list[Frame | Damage] = []
        length = BLOCK
        with self.folder.segment(self._segment).open("rb", buffering=0) as file:
            while not items:
                data = os.pread(file.fileno(), min(length, stop - self._offset), self._offset)
                if not data:
                    raise OSError(errno.EIO, "the file became shorter")
                items = list(scan(data, to_the_end=self._offset + len(data) >= stop))
                length *= 4
        offset = self._offset + items[-1].end
        if last and self._dead:  # a torn frame was never acknowledged
            items = [item for item in items if isinstance(item, Frame) or not item.torn]
        return Batch(items, offset, more=offset < stop or not last)
