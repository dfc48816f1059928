"""Histories that never were, made of real days: how often the policy cries for nothing, and how long a real shift escapes it.

A window is thirty days drawn in runs of seven (a day resembles the one before) from real ones. Drawn from the days of the model's
own evaluation nothing has changed by construction, so each retraining is a false alarm. The evaluation itself is kept as it was,
or drawn from the same days: a real one had its luck, too. Drawn from shifted days from some window on, the windows until the
retraining are the delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from monitoring.decision import decide
from monitoring.evidence import Measure, PerformanceEvidence, WindowEvidence
from monitoring.performance import ByDay, draws
from monitoring.playing import NO_DRIFT
from tremplin.comparison import Bootstrap, Floats, areas
from tremplin.pilot import Pilot

DAYS, RUN = 30, 7
Promise = dict[str, Measure]
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)  # any: only the order of made-up windows counts


@dataclass(frozen=True)
class Replicates:
    """Draws windows and asks the policy; the same seed draws the same."""

    pilot: Pilot
    promise: Promise  # what the model was approved with

    def false_alarms(
        self, healthy: ByDay, *, histories: int, windows: int, evaluation_drawn: bool = False
    ) -> list[int | None]:
        """After which healthy window, 1 for the first, each history led to retraining; None where none of so many did.

        Args:
            evaluation_drawn: whether each history draws an evaluation of its own, as long as the real one, from the same days.
        """
        generator = np.random.default_rng(self.pilot.file.model.seed)
        found = []
        for _ in range(histories):
            promised = self._drawn_promise(healthy, generator) if evaluation_drawn else self.promise
            found.append(self._alarm([healthy] * windows, promised, generator))
        return found

    def delays(self, healthy: ByDay, shifted: ByDay, *, histories: int, windows: int) -> list[int | None]:
        """Windows from the shift to the retraining, 1 for the first; None where there was none within ``windows``."""
        generator = np.random.default_rng(self.pilot.file.model.seed)
        before = self.pilot.file.retraining.of_last - 1
        days = [healthy] * before + [shifted] * windows
        found = (self._alarm(days, self.promise, generator, after=before) for _ in range(histories))
        return [alarm if alarm is None else alarm - before for alarm in found]

    def _drawn_promise(self, days: ByDay, generator: np.random.Generator) -> Promise:
        count, how = len(days.rows), draws(self.pilot)
        places = np.eye(count)[drawn_days(count, generator, days=count)]
        found = days.measures(np.vstack([places.sum(axis=0), _resamples(how, count) @ places]), how)
        return {found.task.ranking: found.ranking, "observed_expected": found.calibration_ratio}

    def _alarm(
        self, days: Sequence[ByDay], promised: Promise, generator: np.random.Generator, after: int = 0
    ) -> int | None:
        """The first window beyond the first ``after`` that leads to retraining, 1 for the first."""
        history: list[WindowEvidence] = []
        for number, window in enumerate(days):
            history.append(self._evidence(window, promised, drawn_days(len(window.rows), generator), number))
            decided = decide(history, self.pilot.file, as_of=history[-1].as_of, retrainings=())
            if number >= after and decided.action == "retrain":
                return number + 1
        return None

    def _evidence(
        self, days: ByDay, promised: Promise, drawn: NDArray[np.intp], number: int
    ) -> WindowEvidence:
        how, policy = draws(self.pilot), self.pilot.file.monitoring
        places = np.eye(len(days.rows))[drawn]
        itself = places.sum(axis=0, keepdims=True)
        rows = int(itself[0] @ days.rows)
        why_not = f"{rows:,} rows of at least {policy.minimum_rows:,}" if rows < policy.minimum_rows else None
        if why_not is None and not self._beyond_limits(days, promised, itself):
            why_not = "its values are within their limits, so no bound could make the window a worse one"
        measured = None
        if why_not is None:
            measured = days.measures(np.vstack([itself, _resamples(how, len(drawn)) @ places]), how)
        end = BEGIN + timedelta(days=DAYS * (number + 1))
        return WindowEvidence(
            pilot=self.pilot.name,
            window=f"{number:04}",
            start=end - timedelta(days=DAYS),
            end=end,
            as_of=end,
            release_id="replicate",
            answers={"replicate": rows},
            performance=PerformanceEvidence(
                rows=rows,
                labelled=rows,
                never_labelled=0.0,
                minimum_rows=policy.minimum_rows,
                measures=measured,
                why_not=why_not,
                evaluation=promised,
                confidence=self.pilot.file.gate.confidence,
                sites={},
            ),
            drift=NO_DRIFT,
        )

    def _beyond_limits(self, days: ByDay, promised: Promise, weights: Floats) -> bool:
        policy = self.pilot.file.monitoring
        low, high = policy.calibration_ratio
        fallen = promised[self.pilot.contract.task.ranking].value - float(areas(days.pairs, weights)[0])
        ratio = float((weights[0] @ days.positive) / (weights[0] @ days.score))
        return fallen > policy.auc_drop or not low <= ratio <= high


@cache
def _resamples(how: Bootstrap, days: int) -> Floats:
    """The same for each of the thousands of windows."""
    return how.weights(days)


def drawn_days(count: int, generator: np.random.Generator, *, days: int = DAYS) -> NDArray[np.intp]:
    """So many positions of ``count`` days, in runs that go round at the end."""
    begins = generator.integers(0, count, -(-days // RUN))
    return np.asarray((begins[:, None] + np.arange(RUN)).ravel()[:days] % count, dtype=np.intp)
