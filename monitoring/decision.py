"""The retraining decision: a pure function of evidence and policy.

Only a model that was measurably worse than at its evaluation leads to retraining: beyond the limits in so many of the last
windows, which shows that it lasts, and in one of them beyond what a year of looks would bring by chance (``worsening``). So
at most one minus the confidence of the models in which nothing changed are retrained within a year. Feature drift alone is
watched: seasons move the weather every year. A gap between groups of people is watched, too: people answer it, not a
retraining. Too little data leads to nothing but a sentence that says how much is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitoring.evidence import WindowEvidence
from monitoring.fairness import concerns
from monitoring.worsening import Worsening, errors_of_a_year, worse
from tremplin.pilot import PilotFile

YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Decision:
    """What to do, and why, in sentences."""

    action: Literal["retrain", "watch", "wait"]
    reasons: list[str]


def decide(
    history: Sequence[WindowEvidence], policy: PilotFile, *, as_of: datetime, retrainings: Sequence[datetime]
) -> Decision:
    """Decide after the last window of ``history``.

    Args:
        history: evidence of windows, in any order; of a window measured twice the last measure counts, what was measured after
            ``as_of`` does not. The champion is the release of the last window; windows of another release are not its own.
        policy: the pilot's ``monitoring`` and ``retraining`` sections are read, and the gate's confidence.
        retrainings: when retraining was started before.
    """
    windows = _own_windows(history, as_of)
    if not windows:
        return Decision("wait", [f"No window has been measured by {as_of:%Y-%m-%d}."])
    rule, last = policy.retraining, windows[-policy.retraining.of_last :]
    faults = {evidence.window: how for evidence in last if (how := worse(evidence, policy.monitoring))}
    reasons = [f"{window}: {way.sentence}" for window, ways in faults.items() for way in ways]
    reasons += [sentence for evidence in last if (sentence := _unmeasured(evidence))]
    drifted = _drift(windows[-1])
    reasons += [drifted] if drifted else []
    unfair = concerns(windows[-1], policy)
    reasons += unfair
    counted = (
        f"The model was worse in {len(faults)} of the last {len(last)} windows of {windows[-1].release_id}"
    )
    if len(faults) >= rule.worse_windows:
        ways = (way for found in faults.values() for way in found)
        held = _chance(ways, policy.gate.confidence) or _held_back(retrainings, policy, as_of)
        if not held:
            return Decision(
                "retrain",
                [f"{counted}; {rule.worse_windows} of {rule.of_last} lead to retraining.", *reasons],
            )
        return Decision("watch", [f"{counted}, which calls for retraining, but {held}", *reasons])
    if faults or drifted or unfair:
        return Decision(
            "watch",
            [f"{counted}; {rule.worse_windows} of {rule.of_last} would lead to retraining.", *reasons],
        )
    return Decision("wait", [f"{counted}, and its features did not drift.", *reasons])


def _own_windows(history: Sequence[WindowEvidence], as_of: datetime) -> list[WindowEvidence]:
    """Windows of the current champion, in order of time, each as it was measured last."""
    known = sorted((e for e in history if e.as_of <= as_of), key=lambda e: (e.end, e.as_of))
    newest = {evidence.window: evidence for evidence in known}
    return [evidence for evidence in newest.values() if evidence.release_id == known[-1].release_id]


def _unmeasured(evidence: WindowEvidence) -> str | None:
    missing = evidence.performance.why_not
    return f"{evidence.window}: performance was not judged: {missing}." if missing else None


def _drift(evidence: WindowEvidence) -> str | None:
    drift = evidence.drift
    if not drift.drifted:
        return None
    moved = ", ".join(f"{name} {_effect(evidence, name):.2f}" for name in drift.moved)
    return (
        f"{evidence.window}: {len(drift.moved)} of {len(drift.columns)} features drifted from the training rows ({moved}; "
        f"limit {drift.threshold:g}). Drift alone is watched."
    )


def _effect(evidence: WindowEvidence, name: str) -> float:
    column = evidence.drift.columns[name]
    return max(column.effect or 0, column.missing_effect)


def _chance(ways: Iterable[Worsening], confidence: float) -> str | None:
    """Why what was seen may be chance, to who looks every month."""
    surest, asked = max(way.errors for way in ways), errors_of_a_year(confidence)
    if surest >= asked:
        return None
    return (
        f"none is beyond chance: {surest:.1f} standard errors of the {asked:.1f} that a year of looks passes with "
        f"{1 - confidence:.0%} by chance."
    )


def _held_back(retrainings: Sequence[datetime], policy: PilotFile, as_of: datetime) -> str | None:
    """Why a wanted retraining may not start now."""
    rule, past = policy.retraining, sorted(moment for moment in retrainings if moment <= as_of)
    if past and as_of - past[-1] < timedelta(days=rule.cooldown_days):
        free = past[-1] + timedelta(days=rule.cooldown_days)
        return f"the last one was on {past[-1]:%Y-%m-%d} and the cooldown of {rule.cooldown_days} days ends on {free:%Y-%m-%d}."
    spent = [moment for moment in past if as_of - moment < YEAR]
    if len(spent) >= rule.budget_per_year:
        budget = f"the budget of {rule.budget_per_year} a year is spent (since {spent[0]:%Y-%m-%d})"
        return f"{budget}; the owner may start one by hand."
    return None
