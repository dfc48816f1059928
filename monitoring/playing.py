"""A rule for retraining, played over a pilot's history: who would have answered which row, and when it would have retrained.

A window is looked at as in production: ``label_days`` after its end, with the labels that were known by then, and only the rows
that the model of that day had answered. A retrained model answers from the moment of the look: the gate and the waves, which may
hold it back, are left out, so what is played is the rule and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from monitoring.decision import decide
from monitoring.drift import drifted_by_default
from monitoring.evidence import DriftEvidence, WindowEvidence
from monitoring.performance import performance
from monitoring.windows import Window, months_between
from tremplin.comparison import Floats
from tremplin.pilot import Pilot


@dataclass(frozen=True)
class PastModel:
    """A model as it would have been made at ``as_of``, from what was known then."""

    as_of: datetime
    scores: Floats  # of every row of the history, shape (n,)
    evaluation: Mapping[str, Any]  # its own, as a release carries it: see ``performance.promise``
    reference: pd.DataFrame  # a sample of its training rows

    @property
    def name(self) -> str:
        """Stands for a release's id."""
        return f"{self.as_of:%Y-%m-%d}"


@dataclass(frozen=True)
class History:
    """Rows that were answered from ``start`` to ``end``, and the models there could have been."""

    pilot: Pilot
    rows: pd.DataFrame  # the contract's columns, in order of time, from before ``start`` on
    model_at: Callable[[datetime], PastModel]
    start: datetime
    end: datetime

    @property
    def windows(self) -> list[Window]:
        """Those that can be looked at before the history ends: a retraining after it could gain nothing."""
        every = months_between(self.start, self.end, self.pilot.file.data.timezone)
        return [window for window in every if self.looked_at(window) < self.end]

    def looked_at(self, window: Window) -> datetime:
        """When the labels of a window have arrived."""
        return window.end + timedelta(days=self.pilot.file.monitoring.label_days)

    def between(self, start: datetime, end: datetime) -> slice:
        """Positions of the rows of events in ``[start, end)``."""
        edges = pd.to_datetime([start, end], utc=True)
        first, last = self.rows[self.pilot.contract.time].searchsorted(edges)
        return slice(int(first), int(last))

    def answers(self, model: PastModel, start: datetime, end: datetime, as_of: datetime) -> pd.DataFrame:
        """Rows in ``[start, end)`` with what ``model`` said of them, and the labels that were known at ``as_of``."""
        at, contract = self.between(start, end), self.pilot.contract
        rows, scores = self.rows.iloc[at], model.scores[at]
        known = (rows[contract.label_time] <= as_of).to_numpy()
        return rows.assign(
            score=scores,
            decision=self.pilot.charter.decisions(scores),
            label=np.where(known, rows[contract.target].astype("float64"), np.nan),
        )


@dataclass(frozen=True)
class Look:
    """What a rule is asked after each window."""

    window: Window
    as_of: datetime
    model: PastModel
    since: datetime  # when the model began to answer
    retrainings: tuple[datetime, ...]


Rule = Callable[[Look], bool]


@dataclass(frozen=True)
class Played:
    """What a rule did, and what was answered under it."""

    retrainings: tuple[datetime, ...]
    scores: Floats  # of the rows in ``[start, end)``


def play(history: History, rule: Rule) -> Played:
    """Ask ``rule`` after each window; where it says so, the next model is made and answers from then on."""
    model, since, parts = history.model_at(history.start), history.start, []
    retrainings: tuple[datetime, ...] = ()
    for window in history.windows:
        as_of = history.looked_at(window)
        if not rule(Look(window, as_of, model, since, retrainings)):
            continue
        parts.append(model.scores[history.between(since, as_of)])
        model, since, retrainings = history.model_at(as_of), as_of, (*retrainings, as_of)
    parts.append(model.scores[history.between(since, history.end)])
    return Played(retrainings, np.concatenate(parts))


def never(_look: Look) -> bool:
    """The first model answers for ever."""
    return False


def always(_look: Look) -> bool:
    """A new model after every window."""
    return True


@dataclass
class PilotsPolicy:
    """The policy of ``pilot.yaml``, by the code that decides in production."""

    history: History
    evidence: list[WindowEvidence] = field(default_factory=list)

    def __call__(self, look: Look) -> bool:
        """Measure the window and decide."""
        start, window = max(look.window.start, look.since), look.window
        answers = self.history.answers(look.model, start, window.end, look.as_of)
        measured = performance(answers, self.history.pilot, look.model.evaluation, awaited_until=None)
        self.evidence.append(
            WindowEvidence(
                pilot=self.history.pilot.name,
                window=window.name,
                start=window.start,
                end=window.end,
                as_of=look.as_of,
                release_id=look.model.name,
                answers={look.model.name: len(answers)},
                performance=measured,
                drift=NO_DRIFT,
            )
        )
        decided = decide(
            self.evidence, self.history.pilot.file, as_of=look.as_of, retrainings=look.retrainings
        )
        return decided.action == "retrain"


# Drift alone never leads the policy to retrain, so its plays do without.
NO_DRIFT = DriftEvidence(
    rows=0, why_not="it is not asked for", threshold=0, columns={}, share_drifted=0, drifted=False
)


@dataclass
class DefaultDrift:
    """Evidently's ``DataDriftPreset`` as it comes: its own tests and thresholds, and drift where half of the columns drift."""

    history: History
    known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __call__(self, look: Look) -> bool:
        """Whether the window's features drifted from the model's training rows."""
        place = (look.model.name, look.window.name)
        if place not in self.known:
            rows = self.history.rows.iloc[self.history.between(look.window.start, look.window.end)]
            self.known[place] = drifted_by_default(rows, look.model.reference, self.history.pilot)
        return self.known[place]
