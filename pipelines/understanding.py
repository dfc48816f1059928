"""Phase 2 of CRISP-ML(Q), data understanding: what the snapshot holds, before anything is made of it.

Requirement: completeness, ranges, labels and freshness are known, by site and by month.
Risk: a hole, a shift of meaning, labels missing where it matters, a feature that gives the answer away.
Quality method: shares with Wilson intervals, means with normal ones; each feature alone is measured on days it was not fitted on.
Evidence: ``2-understanding.json``, ``plots/understanding/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.draws import mean_estimate, wilson
from pipelines.stages import read_table, run, write_json
from tremplin.comparison import auc, days_of
from tremplin.contract import Column, Contract
from tremplin.groups import grouping
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.target import Task

QUANTILES = 50  # bins of a number when it is measured alone
COMMON = 20  # values of a category that are listed
TAIL = 0.01  # of the numbers of people, left out at either end


def understand(
    rows: pd.DataFrame,
    contract: Contract,
    *,
    timezone: str,
    confidence: float,
    segments: Sequence[Sequence[str]] = (),
    smallest_group: int = 1,
) -> dict[str, Any]:
    """Measure a snapshot (all columns of the contract, one row or more); labels also by ``segments``, columns each.

    Of smaller groups than ``smallest_group`` nothing is said: the report goes where no row goes.
    """
    time, target = rows[contract.time], rows[contract.target]
    labelled = rows[target.notna()]
    lag = (labelled[contract.label_time] - labelled[contract.time]).max()
    # Older than the slowest label there is, and still without one: it will never have one.
    never = target.isna() & (time + lag < time.max())
    months = time.dt.tz_convert(timezone).dt.tz_localize(None).dt.to_period("M")
    sites = rows[contract.site] if contract.site else pd.Series("all", index=rows.index)
    groups = partial(_groups, task=contract.task, confidence=confidence, smallest=smallest_group)
    return {
        "rows": len(rows),
        "first": time.min().isoformat(),
        "last": time.max().isoformat(),
        "labelled": len(labelled),
        "never_labelled": int(never.sum()),
        "slowest_label_hours": lag.total_seconds() / 3600 if len(labelled) else None,
        "newest_labelled": labelled[contract.time].max().isoformat() if len(labelled) else None,
        "labels_known_until": labelled[contract.label_time].max().isoformat() if len(labelled) else None,
        "duplicate_keys": int(rows[contract.key].duplicated().sum()),
        "same_features_and_time": int(
            rows.duplicated([contract.time, *(feature.name for feature in contract.features)]).sum()
        ),
        "by_month": groups(target, never, months),
        "by_site": groups(target, never, sites),
        "by_segment": {
            ", ".join(names): groups(target, never, _named(rows, [contract.column(name) for name in names]))
            for names in segments
        },
        "by_site_and_month": {
            str(site): groups(target[part], never[part], months[part])
            for site, part in rows.groupby(sites).groups.items()
        },
        "columns": {
            column.name: _column(rows[column.name], column, smallest_group) for column in contract.columns
        },
        "feature_auc": feature_auc(labelled, contract, timezone=timezone),
    }


def _named(rows: pd.DataFrame, columns: list[Column]) -> pd.Series:
    """The group of each row, by name."""
    cut = grouping(rows, columns)
    return (
        pd.Series([", ".join(name) for name in cut.names], dtype="str").iloc[cut.codes].set_axis(rows.index)
    )


def feature_auc(labelled: pd.DataFrame, contract: Contract, *, timezone: str) -> dict[str, float | None]:
    """AUC (of amounts, concordance) of each feature alone, in [.5, 1] but for noise.

    The feature is cut into bins (missing is one), its score is the rate (or mean) of the target in the bin. Rates of odd days
    score even days and the other way round, so that many categories do not look good by memory. Unlike the AUC of the raw value
    this also finds an answer that hides in a missing value or in the middle of a range.
    """
    if labelled.empty:
        return {feature.name: None for feature in contract.features}
    labels = labelled[contract.target].to_numpy("float64")
    odd = days_of(labelled[contract.time], timezone) % 2 == 1
    found: dict[str, float | None] = {}
    for feature in contract.features:
        bins = _bins(labelled[feature.name], feature)
        scores = np.where(odd, _rates(bins, labels, ~odd), _rates(bins, labels, odd))
        found[feature.name] = auc(labels, scores)
    return found


def _bins(values: pd.Series, feature: Column) -> NDArray[np.intp]:
    """Number of the bin of each value, shape (n,); missing is 0."""
    if not feature.numeric:
        return pd.factorize(values)[0] + 1
    numbers = values.to_numpy("float64", na_value=np.nan)
    present = numbers[~np.isnan(numbers)]
    edges = (
        np.unique(np.quantile(present, np.linspace(0, 1, QUANTILES + 1)[1:-1])) if len(present) else present
    )
    return np.where(np.isnan(numbers), 0, np.searchsorted(edges, numbers, side="left") + 1)


def _rates(
    bins: NDArray[np.intp], labels: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The rate or mean of the target in each row's bin, by the ``known`` rows alone, drawn to the mean as if by ten rows."""
    count = int(bins.max()) + 1
    mean = labels[known].mean() if known.any() else 0.5
    rows = np.bincount(bins[known], minlength=count)
    rates: NDArray[np.float64] = (
        np.bincount(bins[known], weights=labels[known], minlength=count) + 10 * mean
    ) / (rows + 10)
    return rates[bins]


def _groups(
    target: pd.Series, never: pd.Series, by: pd.Series, *, task: Task, confidence: float, smallest: int
) -> dict[str, Any]:
    table = pd.DataFrame({"target": target.astype("Float64"), "never": never}).groupby(by)
    return {str(name): _group(part, task, confidence) for name, part in table if len(part) >= smallest}


def _group(rows: pd.DataFrame, task: Task, confidence: float) -> dict[str, Any]:
    known = rows["target"].dropna().to_numpy("float64")
    if task is Task.CLASSIFICATION:
        told = {"rate": asdict(wilson(int(known.sum()), len(known), confidence))}
    else:
        told = {"mean": asdict(mean_estimate(known, confidence))}
    return {
        "rows": len(rows),
        "labelled": len(known),
        "never_labelled_share": float(rows["never"].mean()),
        **told,
    }


def _column(values: pd.Series, column: Column, smallest: int) -> dict[str, Any]:
    """A column in numbers. Of people: no single one's extreme value, no identifier, no group that is too small."""
    personal = column.classification in ("personal", "special")
    facts: dict[str, Any] = {"missing": float(values.isna().mean())}
    present = values.dropna()
    if present.empty:
        return facts
    if column.logicalType in ("number", "integer"):
        numbers = present.to_numpy("float64")
        bounds = column.logicalTypeOptions
        facts |= {
            "range": np.quantile(numbers, [TAIL, 1 - TAIL] if personal else [0, 1]),
            "contract_range": [bounds.minimum, bounds.maximum],
            "quartiles": np.quantile(numbers, [0.25, 0.5, 0.75]),
            "mean": numbers.mean(),
        }
    elif column.logicalType == "timestamp":
        facts["range"] = [present.min().isoformat(), present.max().isoformat()]
    elif not column.unique and (column.categories or not personal):
        counts = present.astype(str).value_counts().sort_index().sort_values(ascending=False, kind="stable")
        facts |= {"values": len(counts), "counts": counts[counts >= smallest].head(COMMON).to_dict()}
    return facts


def stage(pilot: Pilot, paths: Paths) -> None:
    """Files in, files out."""
    from pipelines.plots import target_by_month

    rows = read_table(paths.snapshot)
    evidence = understand(
        rows,
        pilot.contract,
        timezone=pilot.file.data.timezone,
        confidence=pilot.file.gate.confidence,
        segments=pilot.file.gate.coverage.segments,
        smallest_group=pilot.file.gate.smallest_group if pilot.charter.gdpr.personal_data else 1,
    )
    write_json(paths.report(2, "understanding"), evidence)
    target_by_month(evidence["by_site_and_month"], pilot.contract, paths.reports / "plots" / "understanding")


if __name__ == "__main__":
    run(stage)
