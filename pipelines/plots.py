"""Pictures of the evidence. The same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.draws import average_precision
from tremplin.comparison import auc
from tremplin.contract import Contract

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
MODEL, BASELINE, GUIDE = "#1f5fa8", "#c8781e", "#999999"
POINTS = 500  # of a curve: more cannot be seen


def _figure(columns: int = 1, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * columns, height))
    FigureCanvasAgg(figure)
    # Fixed margins: a layout that measures its own texts draws everything twice.
    figure.subplots_adjust(left=0.13 / columns, right=0.98, bottom=0.8 / height, top=0.95, wspace=0.25)
    axes = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})


def _errors(estimates: list[Mapping[str, float]]) -> tuple[list[float], NDArray[np.float64]]:
    values = np.array([[e["value"], e["low"], e["high"]] for e in estimates], dtype=float)
    return values[:, 0].tolist(), np.abs(values[:, 1:].T - values[:, 0])


def rate_by_month(groups: Mapping[str, Mapping[str, Any]], contract: Contract, folder: Path) -> None:
    """Rate of the target by site and month, with intervals."""
    figure, (ax,) = _figure()
    months = sorted({month for by_month in groups.values() for month in by_month})
    for number, (site, by_month) in enumerate(sorted(groups.items())):
        shown = [month for month in months if month in by_month and by_month[month]["labelled"] > 0]
        if shown:
            values, errors = _errors([by_month[month]["rate"] for month in shown])
            places = [months.index(month) + 0.06 * number for month in shown]
            ax.errorbar(places, values, yerr=errors, marker="o", capsize=2, label=site)
    ax.set_xticks(range(len(months)), months, rotation=45)
    ax.set_ylabel(f"share of `{contract.target}`")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    _save(figure, folder, "rate_by_month")


def evaluation_plots(
    labels: Floats, scores: Floats, baseline: Floats, evidence: Mapping[str, Any], folder: Path
) -> None:
    """``calibration``, ``ranking``, ``by_week``, ``importance`` and, where there are sites, ``by_site``."""
    _calibration(labels, scores, baseline, folder)
    _ranking(labels, scores, baseline, folder)
    _by_week(evidence["by_week"], folder)
    _importance(evidence["importance"], folder)
    if "by_site" in evidence:
        _by_site(evidence, folder)


def _calibration(labels: Floats, scores: Floats, baseline: Floats, folder: Path) -> None:
    figure, (ax,) = _figure()
    ax.plot([0, 1], [0, 1], color=GUIDE, linewidth=1)
    for name, given, colour in (("model", scores, MODEL), ("baseline", baseline, BASELINE)):
        parts = [part for part in np.array_split(np.argsort(given, kind="stable"), 10) if len(part)]
        points = [(given[part].mean(), labels[part].mean()) for part in parts]
        ax.plot(*zip(*points, strict=True), marker="o", color=colour, label=name)
    ax.set_xlabel("mean score of a tenth of the rows")
    ax.set_ylabel("share observed")
    ax.legend(frameon=False)
    _save(figure, folder, "calibration")


def _ranking(labels: Floats, scores: Floats, baseline: Floats, folder: Path) -> None:
    figure, (roc, curve) = _figure(columns=2)
    roc.plot([0, 1], [0, 1], color=GUIDE, linewidth=1)
    curve.axhline(labels.mean(), color=GUIDE, linewidth=1)
    for name, given, colour in (("model", scores, MODEL), ("baseline", baseline, BASELINE)):
        hits = labels[np.argsort(-given, kind="stable")]
        found, flagged = np.cumsum(hits), np.arange(1, len(hits) + 1)
        shown = np.unique(np.linspace(0, len(hits) - 1, POINTS).astype(int))
        alarms = (flagged - found)[shown] / max((1 - labels).sum(), 1)
        recall = found[shown] / max(labels.sum(), 1)
        roc.plot(alarms, recall, color=colour, label=f"{name}, area {auc(labels, given):.3f}")
        curve.plot(
            recall,
            (found / flagged)[shown],
            color=colour,
            label=f"{name}, mean {average_precision(labels, given):.3f}",
        )
    roc.set_xlabel("false alarms / negatives")
    roc.set_ylabel("found / positives")
    curve.set_xlabel("recall")
    curve.set_ylabel("precision")
    for ax in (roc, curve):
        ax.legend(frameon=False)
    _save(figure, folder, "ranking")


def _by_week(weeks: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    figure, (area, ratio) = _figure(columns=2)
    for ax, name, label in (
        (area, "roc_auc", "ROC AUC"),
        (ratio, "observed_expected", "observed / expected"),
    ):
        ax.plot(list(weeks), [week[name] for week in weeks.values()], marker="o", color=MODEL)
        ax.set_ylabel(label)
        ax.tick_params(axis="x", rotation=45)
    ratio.axhline(1, color=GUIDE, linewidth=1)
    _save(figure, folder, "by_week")


def _by_site(evidence: Mapping[str, Any], folder: Path) -> None:
    figure, (area, ratio) = _figure(columns=2)
    sites = list(evidence["by_site"])
    for ax, name, label in (
        (area, "roc_auc", "ROC AUC"),
        (ratio, "observed_expected", "observed / expected"),
    ):
        values, errors = _errors([evidence["by_site"][site][name] for site in sites])
        ax.errorbar(values, range(len(sites)), xerr=errors, fmt="o", capsize=3, color=MODEL)
        ax.axvline(evidence[name]["value"], color=GUIDE, linewidth=1)
        ax.set_yticks(range(len(sites)), sites)
        ax.set_xlabel(f"{label} (line: all sites)")
    _save(figure, folder, "by_site")


def _importance(lost: Mapping[str, float], folder: Path) -> None:
    names = sorted(lost, key=lambda name: lost[name])
    figure, (ax,) = _figure(height=1 + 0.25 * len(names))
    figure.subplots_adjust(left=0.35)
    ax.barh(names, [lost[name] for name in names], color=MODEL)
    ax.set_xlabel("ROC AUC lost when shuffled")
    _save(figure, folder, "importance")
