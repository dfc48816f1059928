"""The store, for routes that read and write it while a caller waits: one that is away costs that caller a 503."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from serving.problems import Problem
from tremplin.errors import TremplinError
from tremplin.settings import Settings
from tremplin.store import open_store

THREADS = 4  # of its own: a database that hangs must not hold what answers predictions
PATIENCE = 15.0  # seconds

T = TypeVar("T")


class StoreDoor:
    """Opened by the first who needs it, and anew after it failed: one that was made anew lacks its tables."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="feedback")

    async def run(self, work: Callable[[Engine], T]) -> T:
        """What ``work`` finds or does, in a thread.

        Raises:
            Problem: 503, the database does not answer, or not in ``PATIENCE``. Work that began may still be done as a whole; to
                ask again does no harm.
        """
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._pool, self._now, work), PATIENCE)
        except TimeoutError:
            raise _away("it did not answer in time") from None

    def close(self) -> None:
        """Wait for nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _now(self, work: Callable[[Engine], T]) -> T:
        try:
            with self._lock:
                self._engine = self._engine or open_store(self._settings)
                engine = self._engine
            return work(engine)
        except (TremplinError, SQLAlchemyError) as error:
            with self._lock:
                if self._engine:
                    self._engine.dispose()
                    self._engine = None
            raise _away(type(error.__cause__ or error).__name__) from error


def _away(reason: str) -> Problem:
    detail = f"Nothing was stored or read: the database is away, full or locked ({reason}). Try again; nothing is taken twice."
    return Problem(503, "The store does not answer", detail)
