"""What the backtest measures: rules for retraining played over real histories, false alarms, and delays on real shifts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import pandas as pd

from monitoring import shifts
from monitoring.performance import ByDay, promise
from monitoring.playing import DefaultDrift, History, PastModel, PilotsPolicy, Rule, always, never, play
from monitoring.replicates import Replicates
from monitoring.worth import worth
from pipelines.hindsight import Hindsight, trained_at
from tremplin.comparison import Floats, auc
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

SETTLED = (
    3  # times ``evaluation_days`` of history before a first model, so that two thirds of it are training
)
LOOKS = 3  # below which a history says nothing about a rule that counts windows
STARTS = 3  # other beginnings, at most
WITHIN = 6  # windows in which a shift should be found
YEAR = 12  # windows of a healthy history
SHIFT_HISTORIES = 50

Tell = Callable[[str], None]


@dataclass
class Past:
    """Rows of a pilot, or of one site of it, and the models that are made of them, each once."""

    pilot: Pilot
    rows: pd.DataFrame  # the contract's columns, typed, in order of time
    tell: Tell
    of: str = ""  # the site, where it is one
    made: dict[datetime, tuple[Hindsight, PastModel]] = field(default_factory=dict)
    drifted: dict[tuple[str, str], bool] = field(default_factory=dict)  # by model and window

    def at(self, as_of: datetime) -> tuple[Hindsight, PastModel]:
        """What would have been trained at ``as_of``, with its scores of every row."""
        if as_of not in self.made:
            self.tell(f"training{self.of and f' on {self.of} alone'} what was known on {as_of:%Y-%m-%d}")
            found = trained_at(self.rows, self.pilot, as_of)
            scores = found.score(self.rows, self.pilot)
            self.made[as_of] = found, PastModel(as_of, scores, found.evaluation, found.reference)
        return self.made[as_of]

    def history(self, start: datetime) -> History:
        """From ``start`` until the rows end."""
        last = self.rows[self.pilot.contract.time].iloc[-1].tz_convert(self.pilot.file.data.timezone)
        end = (last.normalize() + pd.Timedelta(days=1)).to_pydatetime()
        return History(self.pilot, self.rows, lambda moment: self.at(moment)[1], start, end)

    def sites(self) -> Iterator[Past]:
        """The same of each site alone."""
        if self.pilot.contract.site:
            for name, rows in self.rows.groupby(self.pilot.contract.site, sort=True):
                yield Past(self.pilot, rows.reset_index(drop=True), self.tell, str(name))


def measure(past: Past, start: datetime, *, histories: int) -> dict[str, Any]:
    """Everything, as it is written to ``--json``."""
    main = past.history(start)
    if len(main.windows) < LOOKS:
        raise TremplinError(
            f"From {start:%Y-%m-%d} on, {past.pilot.name} has {len(main.windows)} windows that end before its rows do; "
            f"a rule that counts windows needs {LOOKS} or more. Begin earlier with --since."
        )
    return {
        "pilot": past.pilot.name,
        "rows": len(past.rows),
        "since": f"{start:%Y-%m-%d}",
        "until": f"{main.end:%Y-%m-%d}",
        "windows": [window.name for window in main.windows],
        "history": compared(past, start),
        "other_starts": {f"{other:%Y-%m-%d}": compared(past, other) for other in other_starts(past, start)},
        "sites": {site.of: compared(site, start) for site in past.sites()},
        "false_alarms": false_alarms(past, histories),
        "shifts": shifted(past, start),
    }


def compared(past: Past, start: datetime) -> dict[str, Any]:
    """Each rule on the same rows, against never retraining."""
    history = past.history(start)
    rules: dict[str, Rule] = {
        "policy": PilotsPolicy(history),
        "monthly": always,
        "drift preset": DefaultDrift(history, past.drifted),
    }
    unchanged = play(history, never)
    found = {"never": asdict(worth(history, unchanged, unchanged, rules=len(rules)))}
    for name, rule in rules.items():
        past.tell(f"from {start:%Y-%m-%d}{past.of and f' at {past.of}'}: {name}")
        found[name] = asdict(worth(history, play(history, rule), unchanged, rules=len(rules)))
    return found


def other_starts(past: Past, start: datetime) -> list[datetime]:
    """Moments of a look, other than the first, with enough history before them and looks after: evenly among those there are."""
    data, time = past.pilot.file.data, past.pilot.contract.time
    first = past.rows[time].iloc[0].to_pydatetime() + timedelta(days=SETTLED * data.evaluation_days)
    every = past.history(first)
    moments = [every.looked_at(window) for window in every.windows]
    fit = [
        m for m in moments if abs(m - start) > timedelta(days=28) and len(past.history(m).windows) >= LOOKS
    ]
    step = max(1, -(-len(fit) // STARTS))
    return fit[::step]


def false_alarms(past: Past, histories: int) -> list[dict[str, Any]]:
    """For every model that was made: retrainings in made-up years in which nothing changed since its evaluation."""
    found, first = [], past.pilot.file.retraining.of_last
    for as_of, (model, _) in sorted(past.made.items()):
        past.tell(f"{histories} years of nothing new for the model of {as_of:%Y-%m-%d}")
        healthy = ByDay.of(
            shifts.answered(model.evaluated, model.score(model.evaluated, past.pilot), past.pilot), past.pilot
        )
        replicates = Replicates(past.pilot, promise(model.evaluation, past.pilot))
        kept = replicates.false_alarms(healthy, histories=histories, windows=YEAR)
        drawn = replicates.false_alarms(healthy, histories=histories, windows=YEAR, evaluation_drawn=True)
        found.append(
            {
                "model": f"{as_of:%Y-%m-%d}",
                "blocked_by": list(model.blocked_by),
                "roc_auc": model.evaluation[past.pilot.contract.task.ranking]["value"],
                "observed_expected": model.evaluation["observed_expected"]["value"],
                "histories": histories,
                "first_windows": sum(alarm is not None and alarm <= first for alarm in kept),
                "year": sum(alarm is not None for alarm in kept),
                "evaluation_drawn": sum(alarm is not None for alarm in drawn),
            }
        )
    return found


def shifted(past: Past, start: datetime) -> list[dict[str, Any]]:
    """Real shifts put into healthy windows of the first model: windows until it was retrained."""
    model, made = past.at(start)
    pilot, evaluated = past.pilot, model.evaluated
    before = shifts.answered(evaluated, model.score(evaluated, pilot), pilot)
    healthy = ByDay.of(before, pilot)
    replicates = Replicates(pilot, promise(model.evaluation, pilot))

    def score(rows: pd.DataFrame) -> Floats:
        return model.score(rows, pilot)

    each = [
        *shifts.seasons(past.history(start), made),
        *shifts.unit_errors(evaluated, score, pilot),
        shifts.label_shift(evaluated, score, pilot),
    ]
    found = []
    for name, rows in each:
        past.tell(f"shift: {name}")
        days = ByDay.of(rows, pilot)
        delays = replicates.delays(healthy, days, histories=SHIFT_HISTORIES, windows=WITHIN)
        seen = [delay for delay in delays if delay is not None]
        found.append(
            {
                "shift": name,
                "roc_auc": auc(rows["label"].to_numpy(), rows["score"].to_numpy()),
                "observed_expected": float(rows["label"].sum() / rows["score"].sum()),
                "found": len(seen),
                "histories": len(delays),
                "median_windows": median(seen) if seen else None,
            }
        )
    return found
