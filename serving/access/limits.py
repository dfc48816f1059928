"""Rate limits: rows an identity may ask for."""

from __future__ import annotations

from serving.access.refusals import too_many
from serving.access.windows import Limit, SlidingWindow


class RateLimits:
    """Counts what an identity was let do; what is refused is not counted, so waiting helps."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._memory = SlidingWindow(limit)

    async def take(self, name: str, cost: int) -> None:
        """Count ``cost`` rows.

        Raises:
            Problem: 429, with the time to wait.
        """
        if wait := self._memory.take(name, cost):
            raise too_many(self.limit, wait, self._memory.remaining(name), "rows")
