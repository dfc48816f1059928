"""Performance of a window whose labels came late, with intervals that respect that a day's rows share their weather.

Rows of one day are not independent, so days are resampled, not rows: the cluster bootstrap (Field and Welsh 2007,
"Bootstrapping clustered data", J. R. Stat. Soc. B 69; for the ROC area Rutter 2000, "Bootstrap estimation of diagnostic
accuracy with patient-clustered data", Acad. Radiol. 7), percentile interval. Every measure here is a ratio of sums over
days (the ROC area: over pairs of days), so a resample is a product with its matrix of day counts and no row is touched twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.evidence import Measure, Measures, PerformanceEvidence, SitePerformance
from monitoring.windows import Window
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot

MINIMUM_DAYS = 7  # fewer do not show how days differ, and a weekday or two would be missing
BLOCK = 50_000  # different scores a block of the pair count: 50,000 x 31 days of float64 are 12 MB

Array = NDArray[np.float64]


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
    times = labelled[pilot.contract.time].dt.tz_convert(pilot.file.data.timezone)
    days, count = pd.factorize(times.dt.tz_localize(None).dt.floor("D"))[0], times.dt.normalize().nunique()
    if count < MINIMUM_DAYS:
        return None, f"the labelled rows lie on {count} days of at least {MINIMUM_DAYS}"
    positive = labelled["label"].to_numpy("float64")
    if positive.min() == positive.max():
        return None, f"every outcome is {'positive' if positive[0] else 'negative'}: nothing tells them apart"
    score, flagged = labelled["score"].to_numpy("float64"), labelled["decision"].to_numpy("float64")
    gate = pilot.file.gate
    draws = np.random.default_rng(pilot.file.model.seed)
    resampled = draws.multinomial(count, np.full(count, 1 / count), size=gate.bootstrap_samples).astype(
        "float64"
    )
    weights = np.vstack([np.ones(count), resampled])  # the first line is the sample itself

    def total(values: Array) -> Array:
        """Sum over rows of ``values`` in the sample and in every resample."""
        return np.asarray(weights @ np.bincount(days, values, minlength=count))

    def ratio(over: Array, under: Array) -> Measure:
        with np.errstate(invalid="ignore", divide="ignore"):
            every = over / under
        low, high = np.nanquantile(every[1:], [1 - gate.confidence, gate.confidence])
        return Measure(value=float(every[0]), low=float(low), high=float(high))

    pairs = concordant_pairs(score, positive, days, count)
    costs = pilot.charter.costs
    cost = costs.false_alarm * flagged * (1 - positive) + costs.missed * (1 - flagged) * positive
    events, ones, hits = total(positive), total(np.ones(len(labelled))), total(flagged * positive)
    return Measures(
        roc_auc=ratio(((weights @ pairs) * weights).sum(axis=1), events * (ones - events)),
        brier=ratio(total((score - positive) ** 2), ones),
        calibration_ratio=ratio(events, total(score)),
        precision=ratio(hits, total(flagged)) if flagged.any() else None,
        recall=ratio(hits, events),
        cost_per_row=ratio(total(cost), ones),
    ), None


def concordant_pairs(score: Array, positive: Array, days: NDArray[np.int64], count: int) -> Array:
    """Pairs in which the positive row scored higher (a tie counts half), by day of the positive and day of the negative.

    The ROC area is their sum over the number of pairs (Mann and Whitney 1947). Shape (count, count).
    """
    _, rank = np.unique(score, return_inverse=True)
    order = np.argsort(rank, kind="stable")
    rank, positive, days = rank[order], positive[order], days[order]
    pairs, below = (
        np.zeros((count, count)),
        np.zeros(count),
    )  # below: negatives of each day with a lower score
    for first in range(0, int(rank[-1]) + 1, BLOCK):
        inside = slice(*np.searchsorted(rank, [first, first + BLOCK]))
        cell = (rank[inside] - first) * count + days[inside]
        size = int(rank[inside][-1]) - first + 1
        ups = np.bincount(cell, positive[inside], size * count).reshape(size, count)
        downs = np.bincount(cell, 1 - positive[inside], size * count).reshape(size, count)
        running = below + np.cumsum(downs, axis=0)
        pairs += ups.T @ (running - downs / 2)
        below = running[-1]
    return pairs
