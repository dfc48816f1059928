"""Whether groups of people are treated alike by what is live: the gate's measures, on the answers that people were given.

The protected columns come from whoever may read them (``pipelines.auditing``), are joined with the logged answers by the
contract's key, and are dropped again: numbers of groups leave this module, no row, no key, no group below the pilot's
``smallest_group``. Counts are rounded to it and measures to three digits, so that no small group is the difference of what is
published (Hundepool et al. 2012, "Statistical Disclosure Control", 5.4).

**A gap is a matter for people; it retrains nothing.** A new model of the same records repeats what the records do, and may deepen
it where those who were not selected have no outcome; the model may not see the columns, so no training can be told to close the
gap; and which measure shall be equal at what price is the charter's choice (AI Act, articles 10(5) and 14). So it is said, with
its name and its size, to those who can ask why.

Small groups have too few outcomes in a month, and a gap that grows slowly is never sure in one. What the window cannot judge, or
cannot prove, is judged over the stretch that ends with it and is as long as the evaluation at the gate, so that a group which
was large enough there is so here. Each of the two is one family of simultaneous intervals, at half the error. Every window is a
look of its own: where all groups are exactly at their limits, one window in 1 / (1 - confidence) at most says wrongly that one is
beyond; where they are within, far fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from monitoring.evidence import FairnessEvidence, LiveGap, WindowEvidence
from monitoring.performance import MINIMUM_DAYS
from monitoring.windows import Window
from tremplin.comparison import Bootstrap, days_of
from tremplin.errors import TremplinError
from tremplin.fairness import Answers, Judged, judged_gaps
from tremplin.gaps import NAMES, Gap
from tremplin.pilot import Pilot
from tremplin.pilot_file import PilotFile
from tremplin.target import Task

# Gives the key and the protected columns of the events in [start, end).
PeopleBetween = Callable[[datetime, datetime], pd.DataFrame]


def stretch(pilot: Pilot, window: Window) -> Window:
    """As many days as the gate's evaluation, up to the end of the window; the window itself where that is longer."""
    start = min(window.start, window.end - timedelta(days=pilot.file.data.evaluation_days))
    return Window(start, window.end, f"{start:%Y-%m-%d} to the end of {window.name}")


def fairness(
    rows: pd.DataFrame, pilot: Pilot, window: Window, people: PeopleBetween
) -> FairnessEvidence | None:
    """Measure the answers of one release; None for a pilot without a protected column.

    Args:
        rows: its answers in ``stretch`` (see ``load_window``).
        people: asked for the protected columns of the days that were answered; who withdrew is not among them.
    """
    contract, gate = pilot.contract, pilot.file.gate
    if not contract.protected or gate.fairness is None:
        return None
    measured = FairnessEvidence(
        answers=len(rows),
        joined=0,
        minimum_rows=max(gate.fairness.minimum_rows, gate.smallest_group),
        confidence=gate.confidence,
        gaps=[],
        small=[],
        why_not=None,
    )
    if rows.empty:
        return measured.model_copy(update={"why_not": "the release gave no answer"})
    times = rows[contract.time]
    try:
        known = people(times.min().to_pydatetime(), times.max().to_pydatetime() + timedelta(microseconds=1))
    except TremplinError as error:
        return measured.model_copy(update={"why_not": str(error).rstrip(".")})
    place = pd.Index(known[contract.key]).get_indexer(pd.Index(rows[contract.key]))
    rows, known = rows[place >= 0], known.iloc[place[place >= 0]]
    if rows.empty:
        return measured.model_copy(update={"why_not": "the source knows nobody who was answered"})
    inside, long = (rows[contract.time] >= window.start).to_numpy(), stretch(pilot, window)
    everybody = np.ones_like(inside)
    families = {window.name: inside} if inside.all() else {window.name: inside, long.name: everybody}
    judged = {
        over: _judged(rows[part], known[part], pilot, measured.minimum_rows, share=1 / len(families))
        for over, part in families.items()
    }
    gaps: dict[tuple[str, str, str], LiveGap] = {}
    for over, found in judged.items():
        for gap in found.gaps:
            place = (gap.column, gap.group, gap.measure)
            before = gaps.get(place)  # the window's own, if it is large enough
            if before is None or (gap.proven and not before.proven):
                gaps[place] = _published(gap, over, gate.smallest_group)
    longest = list(judged.values())[-1]
    small = [few.place for few in longest.small if few.count >= gate.smallest_group]
    return measured.model_copy(update={"joined": len(rows), "gaps": list(gaps.values()), "small": small})


def _judged(
    rows: pd.DataFrame, people: pd.DataFrame, pilot: Pilot, minimum_rows: int, *, share: float
) -> Judged:
    """Every gap of some answers, at that share of the error that the pilot allows."""
    gate, contract = pilot.file.gate, pilot.contract
    assert gate.fairness is not None
    days = days_of(rows[contract.time], pilot.file.data.timezone)
    labels = contract.scale.to_unit(rows["label"])
    if len(np.unique(days[np.isfinite(labels)])) < MINIMUM_DAYS:
        labels = np.full_like(labels, np.nan)
    if len(np.unique(days)) < MINIMUM_DAYS:
        return Judged([], [])
    classified = contract.task is Task.CLASSIFICATION
    return judged_gaps(
        Answers(
            labels=labels,
            scores=contract.scale.to_unit(rows["score"]),
            decisions=rows["decision"].to_numpy(np.bool_) if classified else None,
            days=days,
        ),
        people,
        contract.protected,
        minimum_rows=minimum_rows,
        limits=gate.fairness.limits,
        how=Bootstrap(gate.bootstrap_samples, 1 - (1 - gate.confidence) * share, pilot.file.model.seed),
    )


def _published(gap: Gap, over: str, base: int) -> LiveGap:
    """The gap as it may leave: counts rounded to multiples of ``base``, measures to three digits."""
    rounded = {name: round(getattr(gap, name), 3) for name in ("own", "value", "low", "high")}
    return LiveGap(**gap.model_dump() | rounded | {"rows": base * round(gap.rows / base), "over": over})


def concerns(evidence: WindowEvidence, policy: PilotFile) -> list[str]:
    """What people should look at, a sentence each: gaps proven beyond the charter's limit, or that nobody could look."""
    found = evidence.fairness
    if found is None:
        return []
    if found.why_not:
        return [
            f"{evidence.window}: fairness was not judged, and somebody should see to it: {found.why_not}."
        ]
    beyond: dict[tuple[str, str, str], list[LiveGap]] = {}
    for gap in found.gaps:
        if gap.proven:
            beyond.setdefault((gap.over, gap.column, gap.measure), []).append(gap)
    return [_said(gaps, found) for gaps in beyond.values()] + ([_advice(policy)] if beyond else [])


def _said(gaps: list[LiveGap], found: FairnessEvidence) -> str:
    """Of one column and measure; where there are two groups, the gap of one is that of the other."""
    first = gaps[0]
    groups = "; ".join(
        f"{gap.column}={gap.group} {gap.own:.3f}, {abs(gap.value):.3f} {'above' if gap.value > 0 else 'below'} everyone else "
        f"(at least {gap.surely:.3f} with {found.confidence:.0%} confidence, all groups at once)"
        for gap in gaps
    )
    return f"{first.over}: {NAMES[first.measure]} by {first.column} is beyond the charter's limit of {first.limit:g}: {groups}."


def _advice(policy: PilotFile) -> str:
    deciding = dict.fromkeys(person.role for person in policy.charter.people if "halt" in person.may)
    return (
        "A gap between groups is a matter for people and retrains nothing: ask what changed for the group in the source, in how "
        f"outcomes are recorded and in what is sent. Until it is known, who may halt ({', '.join(deciding)}) can take the "
        "release back (`tremplin rollout rollback`). Note what was found (`tremplin journal add`)."
    )


def summary(found: FairnessEvidence) -> str:
    """What was measured, in a sentence for the console."""
    if found.why_not:
        return f"fairness was not judged: {found.why_not}"
    joined = f"{found.joined:,} of {found.answers:,} answers joined with the protected columns"
    limited = [gap for gap in found.gaps if gap.limit is not None]
    if not limited:
        return f"{joined}; no group that the charter limits is large enough ({found.minimum_rows:,} needed)"
    worst = max(limited, key=lambda gap: (gap.proven, gap.size))
    return (
        f"{joined}; {len(limited)} gaps limited, {sum(gap.proven for gap in limited)} proven beyond; largest: {worst}, "
        f"limit {worst.limit:g}, {worst.over}"
    )
