"""The verdict on a wave: is the challenger, on the users it answers, no worse than the champion would have been?

The champion's model is scored on the very rows the challenger answered, so the comparison is paired and no user is lost to it.
Outcomes that arrive on one day are one block (a storm moves them all), in the order in which they arrived; the wave may be judged
every day, or by whoever asks, without raising the chance of a wrong verdict (``pipelines.betting``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pipelines.betting import Blocks
from tremplin.comparison import Floats, days_of
from tremplin.contract import Strict
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot
from tremplin.target import Task

SMALLEST_STAKE = 1e-9  # where the charter tolerates no loss at all


class WaveVerdict(Strict):
    """Whether the next wave may open."""

    decision: Literal["proceed", "hold", "rollback"]
    outcomes: int  # labelled answers of the challenger
    days: int  # on which they arrived
    difference: float | None  # loss, challenger minus champion, mean of the days; None before the first
    interval: tuple[float, float] | None  # holds over all looks together
    margin: float
    reasons: list[str]


def judge_wave(
    pilot: Pilot,
    rows: pd.DataFrame,
    champion: OnnxModel,
    *,
    challenger: str,
    since: datetime,
    as_of: datetime,
) -> WaveVerdict:
    """Compare the challenger's logged answers with what the champion says of the same rows (non-inferiority).

    Worse beyond the margin: rolled back, on any day. Within the margin, after ``wave_days`` and with ``minimum_outcomes``:
    the next wave. Else held. The chance to roll back, in any wave, a challenger that is within the margin is at most one minus
    the gate's confidence: the waves share it (Bonferroni). To open a wave wrongly every one before must have been passed, so
    there each has it whole (Rosenbaum 2008, "Testing hypotheses in order", Biometrika 95).

    Args:
        rows: answers and outcomes of the wave: the contract's columns, ``release_id``, ``score``, ``label`` (NaN where it is not
            known) and ``known_at``.
        challenger: its release id; other rows are left out.
        since: when the wave was opened.
        as_of: outcomes count whose day of arrival was over then.
    """
    rules, zone = pilot.file.rollout, ZoneInfo(pilot.file.data.timezone)
    today = pd.Timestamp(as_of).tz_convert(zone).normalize()
    answered = rows[rows["release_id"] == challenger]
    known = answered[answered["label"].notna() & (answered["known_at"] < today)]
    open_days = (today.date() - since.astimezone(zone).date()).days
    said = f"{len(known):,} outcomes of {len(answered):,} answers of {challenger} in {open_days} days"
    if known.empty:
        return WaveVerdict(
            decision="hold",
            outcomes=0,
            days=0,
            difference=None,
            interval=None,
            margin=rules.margin,
            reasons=[said],
        )
    blocks, losses = _compared(known, pilot, champion)
    wrong = 1 - pilot.file.gate.confidence
    worse, fine = len(rules.waves) / wrong, 1 / wrong
    low, high = blocks.bounds(above=worse, below=fine)
    difference = float(blocks.mean.mean())
    digits = _digits(pilot)
    measured = (
        f"{_in_words(losses, pilot)} of the champion on the same rows: difference {difference:+{digits}} "
        f"[{low:+{digits}}, {high:+{digits}}] over {len(blocks.mean)} days of outcomes, margin {rules.margin:g}"
    )
    missing = _missing(len(known), open_days, pilot)
    decision: Literal["proceed", "hold", "rollback"] = "hold"
    if blocks.above(rules.margin) >= worse:
        decision, reason = "rollback", "the whole interval is beyond the margin: worse than the champion"
    elif blocks.below(rules.margin) < fine:
        reason = "the interval reaches over the margin: more outcomes are needed"
    elif missing:
        reason = f"the whole interval is within the margin, but {missing}"
    else:
        decision, reason = "proceed", "the whole interval is within the margin: not worse than the champion"
    return WaveVerdict(
        decision=decision,
        outcomes=len(known),
        days=len(blocks.mean),
        difference=difference,
        interval=(low, high),
        margin=rules.margin,
        reasons=[said, measured, reason],
    )


def _missing(outcomes: int, open_days: int, pilot: Pilot) -> str:
    """What the charter still asks for before a wave may end well; "" where nothing is."""
    rules, lacks = pilot.file.rollout, []
    if outcomes < rules.minimum_outcomes:
        lacks.append(f"{outcomes:,} outcomes are fewer than {rules.minimum_outcomes:,}")
    if open_days < rules.wave_days:
        lacks.append(f"a wave takes at least {rules.wave_days} days")
    return " and ".join(lacks)


def _digits(pilot: Pilot) -> str:
    """How losses are written: those of an amount may be small shares of its squared range."""
    return ".4f" if pilot.contract.task is Task.CLASSIFICATION else ".3g"


def _in_words(losses: tuple[float, float], pilot: Pilot) -> str:
    """Both losses; of an amount in its own unit too, where a person can tell whether they matter."""
    contract, (ours, theirs) = pilot.contract, losses
    words = f"{contract.task.loss_name} {ours:{_digits(pilot)}} against {theirs:{_digits(pilot)}}"
    if contract.task is Task.CLASSIFICATION:
        return words
    span = contract.scale.high - contract.scale.low
    unit = contract.column(contract.target).unit
    return (
        f"{words} (root {span * ours**0.5:.4g} against {span * theirs**0.5:.4g}{f' {unit}' if unit else ''})"
    )


def _compared(rows: pd.DataFrame, pilot: Pilot, champion: OnnxModel) -> tuple[Blocks, tuple[float, float]]:
    """Differences of losses by day of arrival, with what each could have been; and both losses over all rows.

    On the unit interval, (ours - y)^2 - (theirs - y)^2 is linear in the outcome y: it lies between what it is at 0 and at 1.
    """
    scale = pilot.contract.scale
    columns: dict[str, Any] = {feature.name: rows[feature.name].to_numpy() for feature in champion.features}
    labels, ours = scale.to_unit(rows["label"]), scale.to_unit(rows["score"])
    theirs = scale.to_unit(champion.score(columns))
    at_0, at_1 = ours**2 - theirs**2, (1 - ours) ** 2 - (1 - theirs) ** 2
    days = days_of(rows["known_at"], pilot.file.data.timezone)
    counts = np.bincount(days)

    def by_day(values: Floats) -> Floats:
        return np.asarray(np.bincount(days, weights=values) / counts, dtype=np.float64)

    blocks = Blocks(
        by_day((1 - labels) * at_0 + labels * at_1),
        by_day(np.minimum(at_1, at_0)),
        by_day(np.maximum(at_1, at_0)),
        max(pilot.file.rollout.margin, SMALLEST_STAKE),
    )
    return blocks, (float(np.mean((ours - labels) ** 2)), float(np.mean((theirs - labels) ** 2)))
