"""Counting in a sliding window: how much was asked for lately, and when more may be."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from math import inf

LIMIT = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour|day)")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MOST = 50_000  # counters that are kept, 150 bytes each; the one that was used longest ago goes first


@dataclass(frozen=True)
class Limit:
    """So much within so many seconds."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit:
        """From words such as ``1200/minute``.

        Raises:
            ValueError: it is not of that form.
        """
        found = LIMIT.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no limit such as 1200/minute (second, minute, hour or day)")
        return cls(int(found[1]), SECONDS[found[2]])

    def __str__(self) -> str:
        unit = next(name for name, seconds in SECONDS.items() if seconds == self.seconds)
        return f"{self.amount}/{unit}"

    def wait(self, previous: float, current: float, elapsed: float, cost: int) -> float:
        """Seconds until ``cost`` fits; 0: now, infinity: never.

        What was counted in the window before this one is taken as spread evenly over it, so ``previous * (1 - elapsed)``
        of it still counts; ``elapsed`` is the part of this window that is over, from 0 to 1. This is the sliding window
        counter of the library limits (https://limits.readthedocs.io, "Sliding Window Counter").
        """
        if cost > self.amount:
            return inf
        room = self.amount - cost
        if previous * (1 - elapsed) + current <= room:
            return 0.0
        if current <= room:
            return (1 - (room - current) / previous - elapsed) * self.seconds
        return (1 - elapsed + 1 - room / current) * self.seconds


class SlidingWindow:
    """Counters in this process.

    Not the memory storage of limits: that starts a thread each time it has been idle for 10 ms, some 300 µs of a request
    at moderate rates, and 8 µs at high ones; this takes less than one.
    """

    def __init__(self, limit: Limit, most: int = MOST) -> None:
        self.limit = limit
        self._most = most
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # window, counted there, before

    def take(self, name: str, cost: int = 1) -> float:
        """Count ``cost`` if it fits; if not, count nothing and say in how many seconds it will."""
        window, elapsed, current, previous = self._look(name)
        if wait := self.limit.wait(previous, current, elapsed, cost):
            return wait
        self._counts[name] = (window, current + cost, previous)
        self._counts.move_to_end(name)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return 0.0

    def wait(self, name: str, cost: int = 1) -> float:
        """What ``take`` would say, without counting."""
        _, elapsed, current, previous = self._look(name)
        return self.limit.wait(previous, current, elapsed, cost)

    def remaining(self, name: str) -> int:
        """How much still fits now."""
        _, elapsed, current, previous = self._look(name)
        return max(0, int(self.limit.amount - previous * (1 - elapsed) - current))

    def _look(self, name: str) -> tuple[int, float, int, int]:
        window, elapsed = divmod(time.monotonic() / self.limit.seconds, 1)
        began, current, previous = self._counts.get(name, (0, 0, 0))
        if began != window:
            previous = current if began == window - 1 else 0
            current = 0
        return int(window), elapsed, current, previous
