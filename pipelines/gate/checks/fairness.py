"""Is it fair: does any group of people get decisions of another kind than everyone else does.

Four measures of a group, each minus that of everyone else: how many are selected, true positives, false positives, and
calibration. Where groups differ in how often the target is true, they cannot all be equal (Chouldechova 2017, "Fair prediction
with disparate impact", Big Data 5(2); Kleinberg, Mullainathan and Raghavan 2017, "Inherent trade-offs in the fair determination
of risk scores", ITCS): the charter says which are limited and why, and the others are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipelines.gaps import NAMES, Gap
from pipelines.gate.groups import grouping, simultaneous
from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.charter import FairnessMeasure
from tremplin.comparison import Floats

ROWS, LABELS = 0, 1  # places in the sums; then numerator and denominator of each measure
COUNTED: dict[FairnessMeasure, str] = {"true_positive_rate": "positives", "false_positive_rate": "negatives"}


def fairness(material: Material) -> Check:
    """No group is treated otherwise than everyone else, beyond the limit and what chance explains."""
    settings, chosen = material.pilot.file.gate.fairness, material.pilot.charter.fairness
    if not material.pilot.contract.protected or settings is None or chosen is None:
        return _check(None, "no column of the contract is `protected`: there is nothing to measure it by")
    gaps, small = _judged(material)
    limited = [gap for gap in gaps if gap.limit is not None]
    worst = max(limited, key=lambda gap: (gap.proven, gap.size), default=None)
    said: list[tuple[str, list[str]]] = [
        ("beyond the limit", [str(gap) for gap in limited if gap.proven]),
        ("within or beyond it, nobody knows", [gap.place for gap in limited if gap.open]),
        ("largest of those limited", [str(worst)] if worst and not worst.proven else []),
        ("shown and not limited, largest", _largest([gap for gap in gaps if gap.limit is None])),
        (f"too small to judge ({settings.minimum_rows:,} needed)", small),
    ]
    rates = [gap.own for gap in gaps if gap.measure == "selection_rate"]
    differing = (
        f"groups are selected at {min(rates):.0%} to {max(rates):.0%}"
        if rates
        else "no group is large enough"
    )
    trade_off = (
        f"{differing}; where they differ in how often the target is true, not all measures can be equal"
    )
    choice = f"limited are {', '.join(NAMES[measure] for measure in settings.limits)}: {' '.join(chosen.reason.split())}"
    parts = [f"{what}: {'; '.join(names)}" for what, names in said if names]
    return _check(worst, ". ".join([*parts, trade_off, choice]), found=True)


def gaps(material: Material) -> list[Gap]:
    """Every gap that can be judged, for the verdict; none for a pilot without a protected column."""
    return _judged(material)[0] if material.pilot.file.gate.fairness else []


def _check(worst: Gap | None, evidence: str, *, found: bool = False) -> Check:
    interval = None
    if worst is not None and worst.limit:
        sign = 1 if worst.value >= 0 else -1
        low, high = sorted(sign * end / worst.limit for end in (worst.low, worst.high))
        interval = (low, high)
    return Check(
        id="fairness",
        requirement="Largest gap between a group and everyone else, as a share of its limit; the interval's low end stays within",
        value=worst.size if worst else None,
        limit=1 if found else None,
        interval=interval,
        # Nothing large enough to be judged is no proof of fairness.
        passed=not found or (worst is not None and not worst.proven),
        evidence=evidence,
        source="model.onnx on evaluation.parquet and audit.parquet; pilot.yaml charter.fairness, gate.fairness",
    )


def _largest(gaps: list[Gap]) -> list[str]:
    """Of each measure the largest."""
    return [str(gap) for gap in {gap.measure: gap for gap in sorted(gaps, key=lambda gap: gap.size)}.values()]


def _judged(material: Material) -> tuple[list[Gap], list[str]]:
    """Every gap that can be judged, and by name the groups too small for it."""
    settings = material.pilot.file.gate.fairness
    assert settings is not None
    weights = material.how.weights(int(material.days.max()) + 1)
    small: list[str] = []
    found: list[dict[str, Any]] = []
    draws: list[Floats] = []
    for column, group, here, rest in _groups(material):
        rows, positives = int(here[:, ROWS].sum()), int(here[:, LABELS].sum())
        if rows < settings.minimum_rows:
            small.append(f"{column}={group} ({rows:,} rows)")
            continue
        counts = {"positives": positives, "negatives": rows - positives}
        for place, measure in enumerate(NAMES):
            what = COUNTED.get(measure)
            if what and counts[what] < settings.minimum_rows:
                small.append(f"{column}={group} ({NAMES[measure]}: {counts[what]:,} {what})")
                continue
            above, below = 2 + 2 * place, 3 + 2 * place
            with np.errstate(invalid="ignore", divide="ignore"):
                own, others = (part[:, above].sum() / part[:, below].sum() for part in (here, rest))
                drawn = [(weights @ part[:, above]) / (weights @ part[:, below]) for part in (here, rest)]
            found.append(
                {
                    "column": column,
                    "group": group,
                    "measure": measure,
                    "rows": rows,
                    "own": own,
                    "value": own - others,
                    "limit": settings.limits.get(measure, {}).get(column),
                }
            )
            draws.append(drawn[0] - drawn[1])
    values = np.array([gap["value"] for gap in found])
    low, high = simultaneous(values, np.array(draws).T, material.how)
    return [
        Gap(**gap, low=least, high=most) for gap, least, most in zip(found, low, high, strict=True)
    ], small


def _groups(material: Material) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Column, group, and the sums by day of the group and of everyone else, shape (days, 10) each."""
    labels, scores = material.labels, material.scores
    ones = np.ones_like(labels)
    flagged = (scores >= material.pilot.charter.decision_threshold).astype(np.float64)
    measured = {
        "selection_rate": (flagged, ones),
        "true_positive_rate": (flagged * labels, labels),
        "false_positive_rate": (flagged * (1 - labels), 1 - labels),
        "calibration": (labels, scores),
    }
    values = [ones, labels, *(side for measure in NAMES for side in measured[measure])]
    for column in material.pilot.contract.protected:
        cut = grouping(material.audit if column.held_apart else material.evaluation, [column])
        sums = np.stack([cut.by_day(value, material.days) for value in values], axis=-1)
        whole = sums.sum(axis=1)
        if len(cut.names) > 1:  # with one group there is nobody else
            for code, (group,) in enumerate(cut.names):
                yield column.name, group, sums[:, code], whole - sums[:, code]


CHECKS: list[CheckFunction] = [fairness]
