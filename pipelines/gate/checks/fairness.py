"""Is it fair: does any group of people get decisions of another kind than everyone else does.

Four measures of a group, each minus that of everyone else: how many are selected, true positives, false positives, and
calibration. Where groups differ in how often the target is true, they cannot all be equal (Chouldechova 2017, "Fair prediction
with disparate impact", Big Data 5(2); Kleinberg, Mullainathan and Raghavan 2017, "Inherent trade-offs in the fair determination
of risk scores", ITCS): the charter says which are limited and why, and the others are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.gate.groups import grouping, simultaneous
from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.charter import FairnessMeasure
from tremplin.comparison import Floats

NAMES: dict[FairnessMeasure, str] = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "calibration": "observed/expected",
}


@dataclass(frozen=True)
class Gap:
    """A measure of one group minus that of everyone else; the interval holds for all gaps at once."""

    measure: FairnessMeasure
    group: str
    value: float
    low: float
    high: float
    own: float  # the group's own
    limit: float | None  # None where the charter does not limit this measure

    @property
    def proven(self) -> bool:
        """Whether the whole interval lies beyond the limit."""
        return self.limit is not None and (self.low > self.limit or self.high < -self.limit)

    @property
    def possible(self) -> bool:
        """Whether a part of the interval does."""
        return self.limit is not None and not (self.low >= -self.limit and self.high <= self.limit)

    @property
    def size(self) -> float:
        """How much of the limit the gap takes."""
        return abs(self.value) / self.limit if self.limit else abs(self.value)

    def __str__(self) -> str:
        return f"{self.group} {NAMES[self.measure]} {self.own:.3f}, {self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def fairness(material: Material) -> Check:
    """No group is treated otherwise than everyone else, beyond the limit and what chance explains."""
    settings, chosen = material.pilot.file.gate.fairness, material.pilot.charter.fairness
    if not material.pilot.contract.protected or settings is None or chosen is None:
        return _check(
            None,
            True,
            "the contract has no column with the tag `protected`: there is nothing to measure it by",
        )
    gaps, small, rates = gaps_of(material)
    limited = [gap for gap in gaps if gap.limit is not None]
    proven = [gap for gap in limited if gap.proven]
    worst = max(proven or limited, key=lambda gap: gap.size, default=None)
    said: list[tuple[str, list[Gap]]] = [
        ("beyond the limit", proven),
        ("neither within nor beyond it", [gap for gap in limited if gap.possible and not gap.proven]),
        ("largest", _largest(limited)),
        ("not limited, largest", _largest([gap for gap in gaps if gap.limit is None])),
    ]
    parts = [f"{what}: {'; '.join(str(gap) for gap in found)}" for what, found in said if found]
    if small:
        parts.append(f"too small to judge ({settings.minimum_rows:,} needed): {'; '.join(small)}")
    parts.append(
        f"the target is true for {min(rates):.0%} to {max(rates):.0%} of the rows of a group, so not all measures can be equal; "
        f"limited are {', '.join(NAMES[measure] for measure in settings.limits)}: {chosen.reason.strip()}"
    )
    return _check(worst, bool(limited) and not proven, ". ".join(parts))


def _check(worst: Gap | None, passed: bool, evidence: str) -> Check:
    interval = None
    if worst is not None and worst.limit:
        ends = sorted(end / worst.limit * np.sign(worst.value or 1) for end in (worst.low, worst.high))
        interval = (float(ends[0]), float(ends[1]))
    return Check(
        id="fairness",
        requirement="Largest gap between a group and everyone else, as a share of its limit; the interval's low end stays within",
        value=worst.size if worst else None,
        limit=1 if worst else None,
        interval=interval,
        passed=passed,
        evidence=evidence,
        source="model.onnx on evaluation.parquet and audit.parquet; pilot.yaml charter.fairness, gate.fairness",
    )


def _largest(gaps: list[Gap]) -> list[Gap]:
    """Of each measure the largest."""
    by_size = sorted(gaps, key=lambda gap: gap.size)
    return list({gap.measure: gap for gap in by_size}.values())


def gaps_of(material: Material) -> tuple[list[Gap], list[str], list[float]]:
    """Every gap that can be judged, the groups too small for it by name, and the rate of the target in each large group."""
    settings = material.pilot.file.gate.fairness
    assert settings is not None
    weights, found, drawn = material.how.weights(int(material.days.max()) + 1), [], []
    small: list[str] = []
    rates: list[float] = []
    for name, group, sums in _groups(material):
        here, rest = sums[:, 0], sums[:, 1]
        rows, positives = here[:, 0].sum(), here[:, 1].sum()
        if rows < settings.minimum_rows:
            small.append(f"{name}={group} ({int(rows):,} rows)")
            continue
        rates.append(positives / rows)
        counts = {
            "true_positive_rate": (positives, "positives"),
            "false_positive_rate": (rows - positives, "negatives"),
        }
        for at, measure in enumerate(NAMES):
            count, what = counts.get(measure, (rows, "rows"))
            if count < settings.minimum_rows:
                small.append(f"{name}={group} ({NAMES[measure]}: {int(count):,} {what})")
                continue
            pair = 2 + 2 * at, 3 + 2 * at
            own, others = (part[:, pair[0]].sum() / part[:, pair[1]].sum() for part in (here, rest))
            found.append((measure, f"{name}={group}", own, own - others))
            with np.errstate(invalid="ignore", divide="ignore"):
                both = [(weights @ part[:, pair[0]]) / (weights @ part[:, pair[1]]) for part in (here, rest)]
            drawn.append(both[0] - both[1])
    values = np.array([value for *_, value in found])
    low, high = simultaneous(values, np.column_stack(drawn) if drawn else np.empty((0, 0)), material.how)
    return (
        [
            Gap(
                measure,
                group,
                float(value),
                float(least),
                float(most),
                float(own),
                settings.limits.get(measure),
            )
            for (measure, group, own, value), least, most in zip(found, low, high, strict=True)
        ],
        small,
        rates,
    )


def _groups(material: Material) -> Iterator[tuple[str, str, Floats]]:
    """Column, group and its sums by day, shape (days, 2, 10): of the group and of everyone else; rows, positives, then
    numerator and denominator of each measure."""
    labels, scores = material.labels, material.scores
    ones = np.ones_like(labels)
    flagged = (scores >= material.pilot.charter.decision_threshold).astype(np.float64)
    values = [
        ones,
        labels,
        flagged,
        ones,
        flagged * labels,
        labels,
        flagged * (1 - labels),
        1 - labels,
        labels,
        scores,
    ]
    for column in material.pilot.contract.protected:
        held = material.audit if column.held_apart else material.evaluation
        cut = grouping(held, [column])
        sums = np.stack([cut.by_day(value, material.days) for value in values], axis=-1)
        whole = sums.sum(axis=1)
        for code, (group,) in enumerate(cut.names):
            if len(cut.names) > 1:
                yield column.name, group, np.stack([sums[:, code], whole - sums[:, code]], axis=1)


CHECKS: list[CheckFunction] = [fairness]
