"""Performance of a window whose labels came late, with intervals that respect that a day's rows share their weather.

Rows of one day are not independent, so days are resampled, not rows: the cluster bootstrap (Field and Welsh 2007,
"Bootstrapping clustered data", J. R. Stat. Soc. B 69; for the ROC area Rutter 2000, "Bootstrap estimation of diagnostic
accuracy with patient-clustered data", Acad. Radiol. 7), percentile interval. Every measure here is a ratio of sums over
days (the ranking: over pairs of days), so a resample is a product with its matrix of day counts and no row is touched twice.

Ranking, squared error and calibration are on the unit interval, where one policy serves probabilities and amounts
(``tremplin.target``); of amounts the errors are told in the target's own unit, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from monitoring.evidence import (
    AmountMeasures,
    AnyMeasures,
    Measure,
    Measures,
    PerformanceEvidence,
    SitePerformance,
)
from tremplin.comparison import Bootstrap, Floats, PairsByBlock, areas, auc, days_of
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot
from tremplin.target import Task

MINIMUM_DAYS = 7  # fewer do not show how days differ, and a weekday or two would be missing


def performance(
    rows: pd.DataFrame, pilot: Pilot, reference: Mapping[str, Any], *, awaited_until: datetime | None
) -> PerformanceEvidence:
    """Measure the answers of ``rows`` (see ``load_window``) that have a label.

    Args:
        reference: see ``promise``.
        awaited_until: when the last labels of the window will be there; None where they are. Before that nothing is measured:
            what is known soon may be another answer than what is known late (a flight that left on time has landed).

    Raises:
        TremplinError: the reference lacks a measure.
    """
    policy, site = pilot.file.monitoring, pilot.contract.site
    labelled = rows[rows["label"].notna()]
    measures, why_not = _measured(labelled, pilot, policy.minimum_rows, awaited_until)
    sites = {}
    for name, own in rows.groupby(site, sort=True) if site else ():
        known = own[own["label"].notna()]
        found, why = _measured(known, pilot, policy.minimum_site_rows, awaited_until)
        sites[str(name)] = SitePerformance(rows=len(own), labelled=len(known), measures=found, why_not=why)
    return PerformanceEvidence(
        rows=len(rows),
        labelled=len(labelled),
        never_labelled=1 - len(labelled) / len(rows) if awaited_until is None and len(rows) else None,
        minimum_rows=policy.minimum_rows,
        measures=measures,
        why_not=why_not,
        evaluation=promise(reference, pilot),
        confidence=pilot.file.gate.confidence,
        sites=sites,
    )


def promise(reference: Mapping[str, Any], pilot: Pilot) -> dict[str, Measure]:
    """What a model was measured to be worth at its evaluation, with bounds as those of a window.

    Args:
        reference: estimates with ``value``, and ``low`` and ``high`` of the two-sided interval at the pilot's confidence.

    Raises:
        TremplinError: one of them is not there.
    """
    task = pilot.contract.task
    promised = (task.ranking, task.loss, "observed_expected")
    lacking = [name for name in promised if not {"value", "low", "high"} <= set(_fields(reference.get(name)))]
    if lacking:
        raise TremplinError(
            f"The release's profile.json has no performance.{', performance.'.join(lacking)} with its interval: no window can "
            "be compared with its evaluation. Make the release again."
        )
    confidence, normal = pilot.file.gate.confidence, NormalDist()
    closer = normal.inv_cdf(confidence) / normal.inv_cdf((1 + confidence) / 2)  # one side instead of two

    def bounded(value: float, low: float, high: float) -> Measure:
        return Measure(value=value, low=value - closer * (value - low), high=value + closer * (high - value))

    return {name: bounded(**reference[name]) for name in promised}


def _fields(estimate: Any) -> Mapping[str, Any]:
    return estimate if isinstance(estimate, Mapping) else {}


def _measured(
    labelled: pd.DataFrame, pilot: Pilot, minimum: int, awaited_until: datetime | None
) -> tuple[AnyMeasures | None, str | None]:
    """The measures, or why there are none."""
    if awaited_until is not None:
        few = f"{len(labelled):,} rows, the quick ones, have theirs"
        return None, f"outcomes arrive until {awaited_until:%Y-%m-%d} (monitoring.label_days); {few}"
    if len(labelled) < minimum:
        return (
            None,
            f"{len(labelled):,} labelled rows of at least {minimum:,}: {minimum - len(labelled):,} are missing",
        )
    days = days_of(labelled[pilot.contract.time], pilot.file.data.timezone)
    count = int(days.max()) + 1
    if count < MINIMUM_DAYS:
        return None, f"the labelled rows lie on {count} days of at least {MINIMUM_DAYS}"
    if labelled["label"].nunique() < 2:
        only = labelled["label"].iloc[0]
        named = f"{only:g}" if pilot.contract.task is Task.REGRESSION else "positive" if only else "negative"
        return None, f"every outcome is {named}: nothing tells them apart"
    how = draws(pilot)
    # The first line is the sample itself.
    return ByDay.of(labelled, pilot).measures(np.vstack([np.ones(count), how.weights(count)]), how), None


def draws(pilot: Pilot) -> Bootstrap:
    """One-sided bounds, since "is it worse?" has one side: two of them at the confidence c make an interval at 2c - 1."""
    gate = pilot.file.gate
    return Bootstrap(gate.bootstrap_samples, 2 * gate.confidence - 1, pilot.file.model.seed)


@dataclass(frozen=True)
class Decided:
    """Sums over each day's decisions, shape (days,)."""

    flagged: Floats
    hits: Floats


@dataclass(frozen=True)
class Missed:
    """Sums over each day's errors (answer minus outcome) in the target's own unit, shape (days,)."""

    error: Floats
    absolute: Floats
    squared: Floats


@dataclass(frozen=True)
class ByDay:
    """What every measure of some answers is made of: sums over each day's rows, shape (days,), and pairs of days."""

    rows: Floats
    positive: Floats  # outcomes on the unit interval: of yes or no, how many were yes
    score: Floats  # answers on the unit interval
    squared_error: Floats  # of these
    cost: Floats
    pairs: PairsByBlock
    rounded: float  # what the ranking of all rows is above that of their pairs, which know amounts by levels
    own: Decided | Missed

    @staticmethod
    def of(labelled: pd.DataFrame, pilot: Pilot) -> ByDay:
        """Add up rows with ``score``, ``decision`` and ``label``."""
        contract = pilot.contract
        days = days_of(labelled[contract.time], pilot.file.data.timezone)
        count = int(days.max()) + 1
        answer, outcome = (labelled[name].to_numpy(np.float64) for name in ("score", "label"))
        score, label = contract.scale.to_unit(answer), contract.scale.to_unit(outcome)
        pairs = PairsByBlock.of(label, score, days, count)

        def total(values: Floats) -> Floats:
            return np.asarray(np.bincount(days, values, minlength=count), dtype=np.float64)

        own: Decided | Missed
        if contract.task is Task.CLASSIFICATION:
            flagged, rounded = labelled["decision"].to_numpy(np.float64), 0.0
            own = Decided(total(flagged), total(flagged * label))
        else:
            error = answer - outcome
            own = Missed(total(error), total(np.abs(error)), total(error**2))
            rounded = auc(label, score) - float(areas(pairs, np.ones((1, count)))[0])
        return ByDay(
            rows=total(np.ones(len(labelled))),
            positive=total(label),
            score=total(score),
            squared_error=total((score - label) ** 2),
            cost=total(pilot.charter.cost(answer, outcome)),
            pairs=pairs,
            rounded=rounded,
            own=own,
        )

    def measures(self, weights: Floats, how: Bootstrap) -> AnyMeasures:
        """Each measure with its bounds.

        Args:
            weights: how often each day counts, shape (1 + samples, days): in the sample itself, then in each resample of it.
            how: how the resamples were drawn.
        """

        def bounded(every: Floats) -> Measure:
            low, high = how.interval(every[1:])
            return Measure(value=float(every[0]), low=low, high=high)

        def ratio(over: Floats, under: Floats) -> Floats:
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.asarray((weights @ over) / (weights @ under), dtype=np.float64)

        ranking = bounded(areas(self.pairs, weights) + self.rounded)
        loss = bounded(ratio(self.squared_error, self.rows))
        calibration = bounded(ratio(self.positive, self.score))
        cost, own = bounded(ratio(self.cost, self.rows)), self.own
        if isinstance(own, Decided):
            return Measures(
                roc_auc=ranking,
                brier=loss,
                calibration_ratio=calibration,
                precision=bounded(ratio(own.hits, own.flagged)) if own.flagged.any() else None,
                recall=bounded(ratio(own.hits, self.positive)),
                cost_per_row=cost,
            )
        return AmountMeasures(
            concordance=ranking,
            squared_error=loss,
            calibration_ratio=calibration,
            mae=bounded(ratio(own.absolute, self.rows)),
            rmse=bounded(np.sqrt(ratio(own.squared, self.rows))),
            bias=bounded(ratio(own.error, self.rows)),
            cost_per_row=cost,
        )
