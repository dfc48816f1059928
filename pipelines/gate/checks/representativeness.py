"""Does the data stand for those whom the model will serve, as the contract declares them.

Two questions, for a mix may be right while a small group is gone: how far the shares of the groups are from the declared ones
(population stability index; Siddiqi 2006, "Credit risk scorecards"), and which declared groups the training does not cover.
Columns that are held apart are looked at in the evaluation rows, the only ones for which the gate may read them: that a group is
there at all is the first question of fairness. Data of a high-risk use must be representative of the persons on whom it is used
(AI Act, article 10 (3)): without a declared population, or a limit, it is not judged and does not pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.gate.limits import without_limit
from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.column import Column
from tremplin.comparison import Bootstrap, Estimate, Floats, Integers, days_of
from tremplin.groups import grouping, simultaneous
from tremplin.quality_rules import Population, Representativeness, SubPopulations

LEAST = 1e-4  # share that an empty group counts as: its logarithm must exist
HALF = 0.5  # of its declared share, below which a group is not covered, whatever chance explains
UNDECLARED = "the contract declares no `population`, so nobody can say whom the rows stand for"


@dataclass(frozen=True)
class _Mix:
    """The group and the day of each row, by a column whose population is declared."""

    column: str
    names: list[str]
    declared: Floats  # share of each group, shape (groups,)
    codes: Integers  # shape (rows,)
    days: Integers  # shape (rows,)
    apart: bool  # whether the rows are those of the evaluation alone

    def counts(self, part: NDArray[np.bool_]) -> Floats:
        """Rows of each group on each day, shape (days, groups), in a ``part`` of all rows; what is apart has one part."""
        cells = self.days * len(self.names) + self.codes
        cells = cells if self.apart else cells[part]
        size = (int(self.days.max()) + 1) * len(self.names)
        daily = np.bincount(cells, minlength=size).reshape(-1, len(self.names)).astype(np.float64)
        return daily[daily.any(axis=1)]


def representativeness(material: Material) -> Check:
    """The shares of the groups are those of the declared population, in all rows and in those of the evaluation."""
    limit = material.pilot.contract.rule(Representativeness)
    mixes, latest = _mixes(material), np.arange(len(material.rows)) >= len(material.train)
    found = [
        (said, mix, part, _psi(mix.counts(part), mix.declared, material.how))
        for mix in mixes
        for said, part in (("", np.ones_like(latest)), (" in the evaluation", latest))
        if not (mix.apart and said)
    ]
    worst = max((psi for *_, psi in found), key=lambda psi: psi.low, default=None)
    told = [_differing(mix, part, psi, said) for said, mix, part, psi in found] + _strange(mixes, material)
    month = material.last_month.rows
    alone = [
        _psi(mix.counts(month), mix.declared, material.how) for mix in mixes if month.any() and not mix.apart
    ]
    told += [] if limit else [without_limit("representativeness", material.pilot)]
    refused = limit is not None and any(psi.low > limit.mustBeLessThan for psi in alone)
    told += [f"alone, {material.last_month.would_have_refused(np.full(len(month), refused))}"]
    return Check(
        id="representativeness",
        requirement="Population stability index of the rows against the declared population, at the worst",
        value=worst.value if worst else None,
        limit=limit.mustBeLessThan if limit else None,
        interval=(worst.low, worst.high) if worst else None,
        passed=worst.low <= limit.mustBeLessThan if worst and limit else not material.pilot.high_risk,
        evidence="; ".join(told) if worst else UNDECLARED,
        source="train.parquet, evaluation.parquet, audit.parquet; contract.yaml population, quality representativeness",
    )


def sub_populations(material: Material) -> Check:
    """The training rows cover every group of the declared population that is not tiny."""
    limit = material.pilot.contract.rule(SubPopulations)
    fewest = limit.minimumRows if limit else 1
    training = np.arange(len(material.rows)) < len(material.train)
    refused, value, named = np.zeros(len(material.rows), dtype=bool), None, []
    for mix in _mixes(material):
        gone = _uncovered(mix.counts(training), mix.declared, fewest, material.how)
        named += [
            f"{mix.column} {mix.names[at]} ({mix.declared[at]:.2%} of the population): {why}"
            for at, why in gone
        ]
        value = max(value or 0.0, float(mix.declared[[at for at, _ in gone]].sum()))
        if not mix.apart:
            refused |= np.isin(mix.codes, [at for at, _ in gone])
    said = (
        f"not covered: {'; '.join(named)}" if named else f"every declared group has {fewest:,} rows or more"
    )
    unlimited = "" if limit else f"; {without_limit('subPopulations', material.pilot)}"
    return Check(
        id="sub-populations",
        requirement="Share of the declared population in groups that the training does not cover",
        value=value,
        limit=limit.mustBeLessThan / 100 if limit else None,
        passed=100 * value < limit.mustBeLessThan
        if value is not None and limit
        else not material.pilot.high_risk,
        evidence=UNDECLARED
        if value is None
        else f"{said}{unlimited}; of these, {material.last_month.would_have_refused(refused)}",
        source="train.parquet, audit.parquet; contract.yaml population, quality subPopulations",
    )


def _mixes(material: Material) -> list[_Mix]:
    """Of every column with a declared population."""
    contract, rows = material.pilot.contract, material.rows
    declared = [(column, column.population) for column in contract.columns if column.population]
    days = days_of(rows[contract.time], material.pilot.file.data.timezone) if declared else material.days
    return [
        _mix(material.audit, material.days, column, population)
        if column.held_apart
        else _mix(rows, days, column, population)
        for column, population in declared
    ]


def _mix(rows: pd.DataFrame, days: Integers, column: Column, population: Population) -> _Mix:
    cut = grouping(rows, [column])
    found = [name for (name,) in cut.names]
    names = [*population.shares, *(name for name in found if name not in population.shares)]
    place = np.array([names.index(name) for name in found], dtype=np.int64)
    declared = np.array([population.shares.get(name, 0.0) for name in names])
    return _Mix(column.name, names, declared / declared.sum(), place[cut.codes], days, column.held_apart)


def _psi(counts: Floats, declared: Floats, how: Bootstrap) -> Estimate:
    """The index of ``counts`` (days, groups) with its interval; whole days are drawn."""
    drawn = how.weights(len(counts)) @ counts
    low, high = how.interval(_index(drawn / drawn.sum(axis=1, keepdims=True), declared))
    return Estimate(float(_index(counts.sum(axis=0, keepdims=True) / counts.sum(), declared)[0]), low, high)


def _index(shares: Floats, declared: Floats) -> Floats:
    """PSI of each row of ``shares`` (draws, groups)."""
    found, expected = np.maximum(shares, LEAST), np.maximum(declared, LEAST)
    index: Floats = ((found - expected) * np.log(found / expected)).sum(axis=1)
    return index


def _uncovered(counts: Floats, declared: Floats, fewest: int, how: Bootstrap) -> list[tuple[int, str]]:
    """Groups with too few rows, or surely with less than half of their declared share; and why."""
    known = np.flatnonzero(declared)
    rows, drawn = counts.sum(axis=0), how.weights(len(counts)) @ counts
    ratio = rows[known] / rows.sum() / declared[known]
    _, high = simultaneous(ratio, drawn[:, known] / drawn.sum(axis=1, keepdims=True) / declared[known], how)
    return [
        (at, f"{rows[at]:,.0f} rows, {fewest:,} needed" if rows[at] < fewest else f"{share:.0%} of its share")
        for at, share, most in zip(known.tolist(), ratio, high, strict=True)
        if rows[at] < fewest or most < HALF
    ]


def _differing(mix: _Mix, part: NDArray[np.bool_], psi: Estimate, said: str) -> str:
    """The index of a column, and its groups that differ most."""
    rows = mix.counts(part).sum(axis=0)
    shares = rows / rows.sum()
    order = np.argsort(-np.abs(shares - mix.declared), kind="stable")[:2]
    groups = ", ".join(f"{mix.names[at]} {shares[at]:.1%} (declared {mix.declared[at]:.1%})" for at in order)
    return f"{mix.column}{said} {psi.value:.3f}: {groups}"


def _strange(mixes: list[_Mix], material: Material) -> list[str]:
    """Groups that nobody declared, by name unless it is that of a few people."""
    personal = material.pilot.charter.gdpr.personal_data
    fewest = material.pilot.file.gate.smallest_group if personal else 1
    found = [
        (mix, at, int((mix.codes == at).sum()))
        for mix in mixes
        for at in np.flatnonzero(mix.declared == 0).tolist()
    ]
    named = [
        f"{mix.column} {mix.names[at] if rows >= fewest else 'of few people'} ({rows:,} rows)"
        for mix, at, rows in found
    ]
    return [f"not declared: {', '.join(named)}"] if named else []


CHECKS: list[CheckFunction] = [representativeness, sub_populations]
