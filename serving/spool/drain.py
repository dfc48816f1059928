"""Moves what is in the spool to the database, exactly once by prediction id, and takes over what dead workers left."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic_core import to_json
from sqlalchemy.engine import Engine

from serving.spool.backlog import Backlog, Batch
from serving.spool.folder import SET_ASIDE, Folder
from serving.spool.frames import Damage
from serving.spool.rows import Row, load, rows_of
from serving.spool.spool import Spool
from tremplin.settings import Settings
from tremplin.store import open_store

PAUSE = 0.2  # seconds between looks, so that rows gather to a transaction
LONGEST_PAUSE = 5.0  # seconds, while the database is in trouble
SILENCE = 15.0  # seconds after which a database that does not answer is a problem
ADOPTION_SECONDS = 5.0  # between looks for what dead workers left

log = logging.getLogger("serving")


class Drain:
    """A thread. It goes on for ever, whatever the database does.

    Attributes:
        drained: rows that it put into the database.
        set_aside: rows, or whole payloads, that the database will never take.
        damaged: stretches of bytes with a wrong checksum.
        trouble: why nothing reached the database when it was last asked, or None.
        unreadable: folders that dead workers left and that cannot be read; they are tried again, and hold nothing else up.
    """

    def __init__(self, spool: Spool, settings: Settings) -> None:
        self.spool, self.settings = spool, settings
        self.drained = self.set_aside = self.damaged = 0
        self.trouble: str | None = None
        self._asked_since: float | None = None  # when the round began that is going on
        self.unreadable: set[Path] = set()
        self._engine: Engine | None = None
        self._adopted: list[Backlog] = []
        self._adopt_at = 0.0
        self._asked = self._done = 0  # flushes
        self._stopping = False
        self._wake = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why nothing reaches the database now, or None; also while it keeps the connection and says nothing."""
        since = self._asked_since
        silent = 0.0 if since is None else time.monotonic() - since
        if self.trouble is None and silent > SILENCE:
            return f"Predictions wait in the spool: the database has not answered for {silent:.0f} s."
        return self.trouble

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Whether, within ``timeout`` seconds, all that was appended before is in the database, and what the dead left."""
        reached = self.ask()
        with self._moved:
            return self._moved.wait_for(reached, timeout)

    def ask(self) -> Callable[[], bool]:
        """The same for who cannot wait in a thread: look at once, and tell at any time whether it has come so far."""
        target = self.spool.end.sequence
        with self._moved:
            self._asked += 1
            asked = self._asked
        self._wake.set()
        return lambda: self._done >= asked and self._next >= target

    def stop(self, timeout: float = 5.0) -> None:
        """Move what can be moved within ``timeout`` seconds, and end. What is left waits on disk for the next drain."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout)

    @property
    def _next(self) -> int:
        return self.spool.backlog.sequence if self.spool.backlog else 0

    def _run(self) -> None:
        pause, since = PAUSE, 0.0
        while True:
            asked, stopping = self._asked, self._stopping
            try:
                if asked != self._done or time.monotonic() > self._adopt_at:
                    self._adopt()
                self._asked_since = time.monotonic()
                full = self._round()
            except Exception as error:  # noqa: BLE001  (whatever a driver raises, the thread outlives it)
                if self.trouble is None:
                    since = time.monotonic()
                    log.warning("Predictions wait in the spool, none is lost: %s.", _kind(error))
                self.trouble = f"Predictions wait in the spool: {_kind(error)}."
                full, pause = False, min(pause * 2, LONGEST_PAUSE)
                self._close_store()  # opened anew: one that was made anew lacks its tables
            else:
                if self.trouble:
                    log.warning(
                        "Predictions reach the database again, after %.0f s.", time.monotonic() - since
                    )
                self.trouble, pause = None, PAUSE
                with self._moved:
                    if not self._adopted:
                        self._done = asked
                    self._moved.notify_all()
            self._asked_since = None
            if stopping and not full:
                break
            if not full and not self._stopping:
                self._wake.wait(pause)
                self._wake.clear()
        for backlog in self._adopted:
            backlog.folder.release()
        self._close_store()

    def _round(self) -> bool:
        """One batch of each folder; whether there is more to move at once."""
        own = self._move(self.spool.backlog) if self.spool.backlog else None
        for backlog in tuple(self._adopted):
            try:
                left = self._move(backlog)
            except OSError as error:  # of its files: a database has errors of its own
                self._adopted.remove(backlog)
                self._leave(backlog.folder, error)
                continue
            self.unreadable.discard(backlog.folder.path)
            if left is None:
                self._adopted.remove(backlog)
                backlog.folder.remove()
        return bool(self._adopted) or (own is not None and own.more)

    def _adopt(self) -> None:
        """Take the folders of the same pilot whose owners are dead."""
        self._adopt_at = time.monotonic() + ADOPTION_SECONDS
        root = self.spool.root
        for path in sorted(root.iterdir()) if root.is_dir() else ():
            with contextlib.suppress(OSError):  # not ours to write: looked at again
                if path.name != SET_ASIDE and (folder := Folder.take(path)):
                    try:
                        self._adopted.append(Backlog.of_dead(folder))
                    except OSError as error:
                        self._leave(folder, error)

    def _leave(self, folder: Folder, error: OSError) -> None:
        """Let go of a folder that cannot be read; it is taken again at the next look, by whoever is first."""
        folder.release()
        if folder.path not in self.unreadable:
            self.unreadable.add(folder.path)
            log.error(
                "What a dead worker left in %s cannot be moved (%s): mend its files or their permissions, or move it "
                "elsewhere for a person to look at. It is tried again; nothing else waits for it.",
                folder.path,
                error,
            )

    def _move(self, backlog: Backlog) -> Batch | None:
        """Move one batch: into the database, then aside what cannot be there, then the mark. A crash between only repeats."""
        batch = backlog.read()
        if batch is None:
            return None
        rows: list[Row] = []
        aside: list[tuple[bytes, str, str]] = []  # content, kind, what the log says
        for item in batch.items:
            if isinstance(item, Damage):
                aside.append((item.content, "damaged", f"{len(item.content)} damaged bytes"))
                continue
            try:
                rows += rows_of(item.payload)
            except ValueError:
                aside.append((item.payload, "payload", f"frame {item.header.sequence}, which holds no rows,"))
        if self._engine is None:
            self._engine = open_store(self.settings)
        new, refused = load(self._engine, rows)
        for row, error in refused:
            content = to_json({"reason": str(error), "row": row})
            aside.append((content, "row", f"prediction {row['prediction_id']}, refused by the database,"))
        for content, kind, _ in aside:
            self._set_aside(content, kind)
        backlog.passed(batch)
        self.drained += new
        for _, kind, what in aside:
            self.damaged += kind == "damaged"
            self.set_aside += kind != "damaged"
            log.error(
                "Set aside of the spool %s: %s see %s.",
                backlog.folder.path,
                what,
                self.spool.root / SET_ASIDE,
            )
        return batch

    def _close_store(self) -> None:
        if self._engine:
            self._engine.dispose()
            self._engine = None

    def _set_aside(self, content: bytes, kind: str) -> None:
        """Keep bytes for a person to look at; named by what they hold, so that they are there once."""
        folder = self.spool.root / SET_ASIDE
        folder.mkdir(exist_ok=True, mode=0o700)
        (folder / f"{hashlib.sha256(content).hexdigest()[:32]}.{kind}").write_bytes(content)


def _kind(error: BaseException) -> str:
    """What kind of error, without the values that it quotes."""
    return type(error.__cause__ or error).__name__
