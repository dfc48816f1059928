"""Real days of two models on the same departures, and histories drawn from them, looked at every day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from pipelines.betting import Blocks
from pipelines.fitting import fit, labels_of, predict
from tests.results import BOOSTED
from tremplin.comparison import Floats, days_of
from tremplin.frame import model_frame
from tremplin.pilot import Pilot

ZONE = "America/New_York"
WEEK = 7  # days drawn together: a day resembles the one before it
DAYS = 42  # as long as a wave could be looked at


def moment(month: int, day: int = 1) -> datetime:
    return datetime(2013, month, day, tzinfo=ZoneInfo(ZONE))


@dataclass(frozen=True)
class Pair:
    """A challenger and a champion, day by day: what happened, and what each day could have been."""

    name: str
    days: Blocks

    def drawn(self, histories: int, *, seed: int, shift: float) -> list[Blocks]:
        """Histories of weeks drawn with replacement, every day moved by ``shift``."""
        generator, count = np.random.default_rng(seed), len(self.days.mean)
        begins = generator.integers(0, count, (histories, DAYS // WEEK))
        places = (begins[:, :, None] + np.arange(WEEK)).reshape(histories, DAYS) % count
        low, mean, high = (values + shift for values in (self.days.low, self.days.mean, self.days.high))
        return [Blocks(mean[at], low[at], high[at], self.days.least_stake) for at in places]


class Departures:
    """Departures of 2013, one in ``every``, and models of a part of it. Labels and scores are on the unit interval."""

    def __init__(self, pilot: Pilot, linear: dict[str, float], *, every: int = 1) -> None:
        self.pilot = pilot
        rows = self.pilot.source.fetch(moment(1), datetime(2014, 1, 1, 5, tzinfo=UTC))[::every]
        contract = self.pilot.contract
        self.rows: pd.DataFrame = rows[rows[contract.target].notna()].reset_index(drop=True)
        self.frame = model_frame(self.rows, contract)
        self.labels = labels_of(self.rows, contract)
        candidates = {"boosted": BOOSTED, "linear": linear}
        self._settings = self.pilot.file.model.model_copy(update={"candidates": candidates})

    def between(self, start: datetime, end: datetime) -> NDArray[np.intp]:
        """Positions of the departures in ``[start, end)``."""
        time = self.rows[self.pilot.contract.time]
        return np.flatnonzero((time >= start) & (time < end))

    def scores(
        self, start: datetime, end: datetime, name: str = "boosted", *, spoil: str | None = None
    ) -> Floats:
        """What a model of the rows of ``[start, end)`` says of every row; ``spoil``: an airport whose labels it got mixed up."""
        rows = self.between(start, end)
        labels = self.labels[rows]
        if spoil:
            there = np.flatnonzero((self.rows["origin"].iloc[rows] == spoil).to_numpy())
            labels[there] = np.random.default_rng(0).permutation(1 - labels[there])
        fitted = fit(self.pilot, self._settings, name, self.frame.iloc[rows], labels)
        return self.pilot.contract.scale.to_unit(predict(fitted, self.frame, self.pilot.contract))

    def pair(
        self, name: str, ours: Floats, theirs: Floats, since: datetime, *, share: float = 1.0, seed: int = 0
    ) -> Pair:
        """The days of both models from ``since`` on, on a share of the desks."""
        desks = sorted(self.rows["desk"].unique())
        chosen = np.random.default_rng(seed).permutation(desks)[: round(share * len(desks))]
        at = self.between(since, moment(12, 31))
        at = at[self.rows["desk"].iloc[at].isin(chosen).to_numpy()]
        days = days_of(self.rows[self.pilot.contract.label_time].iloc[at], ZONE)
        counts = np.bincount(days)
        ours, theirs, labels = ours[at], theirs[at], self.labels[at]
        at_0, at_1 = ours**2 - theirs**2, (1 - ours) ** 2 - (1 - theirs) ** 2

        def by_day(values: Floats) -> Floats:
            return np.asarray(np.bincount(days, weights=values) / counts, dtype=np.float64)

        found = (ours - labels) ** 2 - (theirs - labels) ** 2
        return Pair(
            name,
            Blocks(
                by_day(found),
                by_day(np.minimum(at_0, at_1)),
                by_day(np.maximum(at_0, at_1)),
                self.pilot.file.rollout.margin,
            ),
        )


def first_looks(history: Blocks, margin: float, level: float) -> tuple[int | None, int | None]:
    """The first day on which the bets, and a fixed t-test at the same level, would roll back; None where neither ever would."""
    days = range(1, len(history.mean) + 1)
    bets = (day for day in days if prefix(history, day).above(margin) >= 1 / level)
    fixed = (day for day in days if day > 1 and fixed_test(history.mean[:day], margin) < level)
    return next(bets, None), next(fixed, None)


def prefix(history: Blocks, day: int) -> Blocks:
    """What was known after ``day`` days."""
    return Blocks(history.mean[:day], history.low[:day], history.high[:day], history.least_stake)


def fixed_test(days: Floats, margin: float) -> float:
    """The p-value of one look: is the mean of the days above the margin?"""
    spread = float(np.std(days, ddof=1)) / len(days) ** 0.5
    return float(student.sf((float(np.mean(days)) - margin) / max(spread, 1e-12), len(days) - 1))
