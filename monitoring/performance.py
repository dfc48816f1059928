"""Performance of a window whose labels came late, with intervals that respect that a day's rows share their weather.

Rows of one day are not independent, so days are resampled, not rows: the cluster bootstrap (Field and Welsh 2007,
"Bootstrapping clustered data", J. R. Stat. Soc. B 69; for the ROC area Rutter 2000, "Bootstrap estimation of diagnostic
accuracy with patient-clustered data", Acad. Radiol. 7), percentile interval. Every measure here is a ratio of sums over
days (the ROC area: over pairs of days), so a resample is a product with its matrix of day counts and no row is touched twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from monitoring.evidence import Measure, Measures, PerformanceEvidence, SitePerformance
from monitoring.windows import Window
from tremplin.comparison import Bootstrap, Floats, PairsByBlock, areas, days_of
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

MINIMUM_DAYS = 7  # fewer do not show how days differ, and a weekday or two would be missing


def performance(
    rows: pd.DataFrame, pilot: Pilot, window: Window, reference: Mapping[str, Any], *, over: bool
) -> PerformanceEvidence:
    """Measure the answers of ``rows`` (see ``load_window``) that have a label.

    Args:
        reference: ``roc_auc`` and ``brier`` at the release's evaluation: numbers, or estimates with a ``value``.
        over: whether the window has ended; before, a missing label may still come.

    Raises:
        TremplinError: the reference lacks a measure.
    """
    lacking = sorted({"roc_auc", "brier"} - set(reference))
    if lacking:
        raise TremplinError(
            f"The release's profile.json has no performance.{', performance.'.join(lacking)}: window {window.name} cannot be "
            "compared with its evaluation. Make the release again."
        )
    policy, site = pilot.file.monitoring, pilot.contract.site
    labelled = rows[rows["label"].notna()]
    measures, why_not = _measured(labelled, pilot, policy.minimum_rows)
    sites = {}
    for name, own in rows.groupby(site, sort=True) if site else ():
        known = own[own["label"].notna()]
        found, why = _measured(known, pilot, policy.minimum_site_rows)
        sites[str(name)] = SitePerformance(rows=len(own), labelled=len(known), measures=found, why_not=why)
    return PerformanceEvidence(
        rows=len(rows),
        labelled=len(labelled),
        never_labelled=1 - len(labelled) / len(rows) if over and len(rows) else None,
        minimum_rows=policy.minimum_rows,
        measures=measures,
        why_not=why_not,
        evaluation={name: _number(reference[name]) for name in ("roc_auc", "brier")},
        confidence=pilot.file.gate.confidence,
        sites=sites,
    )


def _number(estimate: Any) -> float:
    return float(estimate["value"] if isinstance(estimate, Mapping) else estimate)


def _measured(labelled: pd.DataFrame, pilot: Pilot, minimum: int) -> tuple[Measures | None, str | None]:
    """The measures, or why there are none."""
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
        only = "positive" if labelled["label"].iloc[0] else "negative"
        return None, f"every outcome is {only}: nothing tells them apart"
    how = draws(pilot)
    # The first line is the sample itself.
    return ByDay.of(labelled, pilot).measures(np.vstack([np.ones(count), how.weights(count)]), how), None


def draws(pilot: Pilot) -> Bootstrap:
    """One-sided bounds, since "is it worse?" has one side: two of them at the confidence c make an interval at 2c - 1."""
    gate = pilot.file.gate
    return Bootstrap(gate.bootstrap_samples, 2 * gate.confidence - 1, pilot.file.model.seed)


@dataclass(frozen=True)
class ByDay:
    """What every measure of some answers is made of: sums over each day's rows, shape (days,), and pairs of days."""

    rows: Floats
    positive: Floats
    score: Floats
    squared_error: Floats
    flagged: Floats
    hits: Floats
    cost: Floats
    pairs: PairsByBlock

    @staticmethod
    def of(labelled: pd.DataFrame, pilot: Pilot) -> ByDay:
        """Add up rows with ``score``, ``decision`` and ``label``."""
        days = days_of(labelled[pilot.contract.time], pilot.file.data.timezone)
        count = int(days.max()) + 1
        positive = labelled["label"].to_numpy("float64")
        score, flagged = labelled["score"].to_numpy("float64"), labelled["decision"].to_numpy("float64")

        def total(values: Floats) -> Floats:
            return np.asarray(np.bincount(days, values, minlength=count), dtype=np.float64)

        return ByDay(
            rows=total(np.ones(len(labelled))),
            positive=total(positive),
            score=total(score),
            squared_error=total((score - positive) ** 2),
            flagged=total(flagged),
            hits=total(flagged * positive),
            cost=total(pilot.charter.cost(score, positive)),
            pairs=PairsByBlock.of(positive, score, days, count),
        )

    def measures(self, weights: Floats, how: Bootstrap) -> Measures:
        """Each measure with its bounds.

        Args:
            weights: how often each day counts, shape (1 + samples, days): in the sample itself, then in each resample of it.
            how: how the resamples were drawn.
        """

        def ratio(over: Floats, under: Floats) -> Measure:
            with np.errstate(invalid="ignore", divide="ignore"):
                every = (weights @ over) / (weights @ under)
            low, high = how.interval(every[1:])
            return Measure(value=float(every[0]), low=low, high=high)

        area = areas(self.pairs, weights)
        low, high = how.interval(area[1:])
        return Measures(
            roc_auc=Measure(value=float(area[0]), low=low, high=high),
            brier=ratio(self.squared_error, self.rows),
            calibration_ratio=ratio(self.positive, self.score),
            precision=ratio(self.hits, self.flagged) if self.flagged.any() else None,
            recall=ratio(self.hits, self.positive),
            cost_per_row=ratio(self.cost, self.rows),
        )
