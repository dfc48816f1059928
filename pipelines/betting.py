"""Evidence on a mean that may be looked at as often as one likes: bets on blocks that arrive one after the other.

A gambler says the mean is above a value and stakes, before each block, a share of the capital. If every block is expected at or
below that value, given all that was known before its outcomes, no bet gains on average, and the chance that the capital ever
reaches c times its beginning is at most 1/c (Ville 1939, "Étude critique de la notion de collectif"). So the capital may be
read after every block, and a level of 1/c holds over all the looks together.

Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS B 86; for two
forecasters on the same rows, Choe and Ramdas (2024), "Comparing sequential forecasters", Operations Research 72. Nothing is asked
of the shape of the blocks, of their number, or of their independence beyond that expectation; each has bounds of its own, known
before its outcomes. ADR 0011 says what was tried beside it and how it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tremplin.comparison import Floats

# Shares of the largest stake that cannot be lost whole. The best is not known beforehand: the capital is split evenly among them.
SHARES = np.arange(1, 10)[:, None] / 10
HALVINGS = 40  # of [-1, 1], to find where the evidence reaches a level


@dataclass(frozen=True)
class Blocks:
    """Means of blocks in order of time, each with the bounds that were known before its outcomes; arrays of shape (n,)."""

    mean: Floats
    low: Floats
    high: Floats
    least_stake: (
        float  # in units of the mean: a block as quiet as this or quieter bets as if it could move so far
    )

    def above(self, value: float) -> float:
        """Capital, from 1, of who bet that the mean is above ``value``."""
        stake = np.maximum(value - self.low, self.least_stake)
        growth = np.log1p(SHARES * ((self.mean - value) / stake)).sum(axis=1)
        return float(np.exp(growth).mean())

    def below(self, value: float) -> float:
        """The same of who bet that it is below."""
        return Blocks(-self.mean, -self.high, -self.low, self.least_stake).above(-value)

    def bounds(self, above: float, below: float) -> tuple[float, float]:
        """The values in [-1, 1] that neither side has refuted: betting on more made less than ``above``, on less, ``below``."""
        low = _last(lambda value: self.above(value) >= above)
        return low, -_last(lambda value: self.below(-value) >= below)


def _last(refuted: Callable[[float], bool]) -> float:
    """The largest value that is refuted; evidence only falls as the value rises. -1 where none is."""
    low, high = -1.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
