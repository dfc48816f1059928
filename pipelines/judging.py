"""The verdict on a wave: was the challenger, on the users it answered, no worse than the champion would have been?

The champion's model is scored on the very rows the challenger answered, so the comparison is paired and no user is lost to it.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from tremplin.comparison import Bootstrap, Integers, days_of, mean_difference
from tremplin.contract import Strict
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot

FEW_DAYS = 10  # below it, whole days are too few to draw from: a day's rows are then drawn by subject


class WaveVerdict(Strict):
    """Whether the next wave may open."""

    decision: Literal["proceed", "hold", "rollback"]
    outcomes: int  # labelled answers of the challenger
    difference: float | None  # Brier, challenger minus champion; None where it was not computed
    interval: tuple[float, float] | None
    margin: float
    reasons: list[str]


def judge_wave(pilot: Pilot, rows: pd.DataFrame, champion: OnnxModel, *, challenger: str) -> WaveVerdict:
    """Compare the challenger's logged answers with what the champion says of the same rows (non-inferiority).

    Args:
        rows: answers and outcomes of the wave: the contract's columns, ``release_id``, ``score``, and ``label`` (NaN where it
            is not known).
        challenger: its release id; other rows are left out.
    """
    rules = pilot.file.rollout
    answered = rows[rows["release_id"] == challenger]
    known = answered[answered["label"].notna()]
    said = f"{len(known):,} outcomes of {len(answered):,} answers of {challenger}"
    if len(known) < rules.minimum_outcomes:
        reason = f"{said}: fewer than {rules.minimum_outcomes:,}, not enough to judge"
        return WaveVerdict(
            decision="hold",
            outcomes=len(known),
            difference=None,
            interval=None,
            margin=rules.margin,
            reasons=[reason],
        )
    labels = known["label"].to_numpy(np.float64)
    ours = (known["score"].to_numpy(np.float64) - labels) ** 2
    columns: dict[str, Any] = {feature.name: known[feature.name].to_numpy() for feature in champion.features}
    scores = champion.score(columns)
    how = Bootstrap(pilot.file.gate.bootstrap_samples, pilot.file.gate.confidence, pilot.file.model.seed)
    blocks, unit = _blocks(known, pilot)
    found = mean_difference(ours, (scores - labels) ** 2, blocks, how)
    measured = (
        f"Brier {ours.mean():.4f} against {((scores - labels) ** 2).mean():.4f} of the champion on the same rows: difference "
        f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}], margin {rules.margin:g}, sampled by {unit}"
    )
    decision: Literal["proceed", "hold", "rollback"]
    if found.high <= rules.margin:
        decision, reason = "proceed", "the whole interval is within the margin: not worse than the champion"
    elif found.low > rules.margin:
        decision, reason = "rollback", "the whole interval is beyond the margin: worse than the champion"
    else:
        decision, reason = "hold", "the interval reaches over the margin: more outcomes are needed"
    return WaveVerdict(
        decision=decision,
        outcomes=len(known),
        difference=found.value,
        interval=(found.low, found.high),
        margin=rules.margin,
        reasons=[said, measured, reason],
    )


def _blocks(rows: pd.DataFrame, pilot: Pilot) -> tuple[Integers, str]:
    """Rows that rise and fall together: a day's, or a subject's of a day where there are few days."""
    days = days_of(rows[pilot.contract.time], pilot.file.data.timezone)
    subject = pilot.contract.subject or pilot.contract.site
    if int(days.max()) + 1 >= FEW_DAYS or subject is None:
        return days, "day"
    codes = rows.groupby([days, rows[subject].astype(str).to_numpy()], sort=True).ngroup()
    return np.asarray(codes, dtype=np.int64), f"{subject} and day"
