"""Rate limits: rows an identity may ask for, counted in Redis where several processes count together."""

from __future__ import annotations

import logging
import time
from typing import Any

from serving.access.refusals import too_many
from serving.access.windows import Limit, SlidingWindow
from tremplin.errors import TremplinError

PATIENCE = 1.0  # seconds; a request waits for the count of its rows
AGAIN = 5.0  # seconds in which a store that did not answer is not asked

log = logging.getLogger("serving")


class RateLimits:
    """Counts what an identity was let do; what is refused is not counted, so waiting helps.

    While the shared store is away each process counts on its own, from nothing: for that time, the limit is one of each.
    """

    def __init__(self, limit: Limit, store: str) -> None:
        self.limit = limit
        self.problem = ""
        self._memory = SlidingWindow(limit)
        self._shared = SharedWindow(limit, store) if store else None
        self._asked_again = 0.0

    async def take(self, name: str, cost: int) -> None:
        """Count ``cost`` rows.

        Raises:
            Problem: 429, with the time to wait.
        """
        found = await self._take_shared(self._shared, name, cost) if self._shared else None
        if found is None:
            wait = self._memory.take(name, cost)
            remaining = self._memory.remaining(name) if wait else 0
        else:
            wait, remaining = found
        if wait:
            raise too_many(self.limit, wait, remaining, "rows")

    async def close(self) -> None:
        """Leave the shared store."""
        if self._shared:
            await self._shared.close()

    async def _take_shared(self, shared: SharedWindow, name: str, cost: int) -> tuple[float, int] | None:
        """Seconds to wait and what remains; None: the store does not answer."""
        if self.problem:
            if time.monotonic() < self._asked_again:
                return None
            self._asked_again = time.monotonic() + AGAIN  # one request asks, the others go on
        try:
            found = await shared.take(name, cost)
        except TremplinError as error:
            self._asked_again = time.monotonic() + AGAIN
            if not self.problem:
                self.problem = f"{error} Each process counts on its own."
                log.error("%s", self.problem)  # noqa: TRY400 - known, and told in a sentence
            return None
        if self.problem:
            log.info("The store of rate limits answers again.")
            self.problem = ""
        return found


class SharedWindow:
    """The same counters in Redis, by the library limits: one call a request, atomic for all that ask."""

    def __init__(self, limit: Limit, store: str) -> None:
        from limits import parse  # takes 60 ms to import, with the client of Redis 200
        from limits.errors import ConfigurationError
        from limits.storage import storage_from_string

        try:
            self._storage: Any = storage_from_string(  # its type says less than it has
                f"async+{store}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
            )
        except (ConfigurationError, ValueError):  # its text may hold the password
            raise TremplinError(
                "TREMPLIN_RATE_LIMIT_STORE is no address of a Redis such as redis://:password@host:6379/0."
            ) from None
        self._limit, self._item = limit, parse(str(limit))

    async def take(self, name: str, cost: int) -> tuple[float, int]:
        """Seconds until ``cost`` fits, 0 if it was counted; and what remains, if it was not.

        Raises:
            TremplinError: the store does not answer.
        """
        from limits.errors import StorageError

        key, seconds = self._item.key_for(name), self._limit.seconds
        try:
            if await self._storage.acquire_sliding_window_entry(key, self._limit.amount, seconds, cost):
                return 0.0, 0
            before, left, current, ends = await self._storage.get_sliding_window(key, seconds)
        except (StorageError, OSError) as error:
            raise TremplinError(f"The store of rate limits does not answer: {error}.") from None
        elapsed = 1 - left / seconds if before else 2 - ends / seconds
        wait = self._limit.wait(before, current, min(max(elapsed, 0.0), 1.0), cost)
        fits = int(self._limit.amount - before * left / seconds - current)
        return wait or 1.0, max(0, fits)  # a moment after it was refused it may fit

    async def close(self) -> None:
        """Close the connections."""
        await self._storage.bridge.get_connection().aclose()
