"""Is it fair: does any group of people get decisions of another kind than everyone else does. See ``tremplin.fairness``."""

from __future__ import annotations

import pandas as pd

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.fairness import Answers, Judged, TooSmall, judged_gaps
from tremplin.gaps import NAMES, Gap
from tremplin.pilot import Pilot


def fairness(material: Material) -> Check:
    """No group is treated otherwise than everyone else, beyond the limit and what chance explains."""
    settings, chosen = material.pilot.file.gate.fairness, material.pilot.charter.fairness
    if not material.pilot.contract.protected or settings is None or chosen is None:
        return _unmeasured(material.pilot)
    judged, people = _judged(material), material.pilot.file.gate.smallest_group
    gaps = judged.gaps
    limited = [gap for gap in gaps if gap.limit is not None]
    worst = max(limited, key=lambda gap: (gap.proven, gap.size), default=None)
    said: list[tuple[str, list[str]]] = [
        ("beyond the limit", [str(gap) for gap in limited if gap.proven]),
        ("within or beyond it, nobody knows", [gap.place for gap in limited if gap.open]),
        ("largest of those limited", [str(worst)] if worst and not worst.proven else []),
        ("shown and not limited, largest", _largest([gap for gap in gaps if gap.limit is None])),
        (
            f"too small to judge ({settings.minimum_rows:,} needed)",
            _too_small(judged.small, people),
        ),
    ]
    shares = [gap for gap in gaps if gap.measure in ("selection_rate", "mean_answer")]
    rates = [gap.own for gap in shares]
    differing = (
        f"the {NAMES[shares[0].measure]} of groups goes from {min(rates):.0%} to {max(rates):.0%}"
        if shares
        else "no group is large enough"
    )
    trade_off = (
        f"{differing}; where they differ in how often the target is true, not all measures can be equal"
    )
    choice = f"limited are {', '.join(NAMES[measure] for measure in settings.limits)}: {' '.join(chosen.reason.split())}"
    parts = [f"{what}: {'; '.join(names)}" for what, names in said if names]
    return _check(worst, ". ".join([*parts, trade_off, choice]), found=True)


def _too_small(found: list[TooSmall], base: int) -> list[str]:
    """Groups that cannot be judged. The verdict stays for ever: of groups below ``base`` people it says how many there are."""
    named = [
        f"{small.place} (about {base * round(small.count / base):,} {small.what})"
        for small in found
        if small.count >= base
    ]
    fewer = sum(small.count < base for small in found)
    return [*named, *([f"{fewer} of fewer than {base}, not named"] if fewer else [])]


def gaps(material: Material) -> list[Gap]:
    """Every gap that can be judged, for the verdict; none for a pilot without a protected column."""
    return _judged(material).gaps if material.pilot.file.gate.fairness else []


def _unmeasured(pilot: Pilot) -> Check:
    """No column is protected: that is an answer where people are at no high risk, or somebody gave the reason."""
    said = "no column of the contract is `protected`: there is nothing to measure it by"
    if reason := pilot.charter.unprotected_because:
        said += f", because {' '.join(reason.split())}"
    if pilot.leaves_fairness_open:
        said += (
            ". The use is high-risk and its data personal: mark the columns that must be measured, or give the reason why none "
            "can be (`charter.unprotected_because`)"
        )
    return _check(None, said).model_copy(update={"passed": not pilot.leaves_fairness_open})


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


def _judged(material: Material) -> Judged:
    """Every gap that can be judged, and the groups too small for it."""
    settings, columns = material.pilot.file.gate.fairness, material.pilot.contract.protected
    assert settings is not None
    tables = {True: material.audit, False: material.evaluation}
    return judged_gaps(
        Answers(
            material.labels, material.scores, material.pilot.charter.decisions(material.scores), material.days
        ),
        pd.DataFrame({column.name: tables[column.held_apart][column.name] for column in columns}),
        columns,
        minimum_rows=settings.minimum_rows,
        limits=settings.limits,
        how=material.how,
    )


CHECKS: list[CheckFunction] = [fairness]
