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
from tremplin.target import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
MODEL, BASELINE, GUIDE = "#1f5fa8", "#c8781e", "#999999"
POINTS = 500  # of a curve: more cannot be seen


def _figure(columns: int = 1, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rcParams["text.parse_math"] = False  # the name of a site or a category may hold dollars
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


def target_by_month(groups: Mapping[str, Mapping[str, Any]], contract: Contract, folder: Path) -> None:
    """Rate or mean of the target by site and month, with intervals."""
    amounts = contract.task is Task.REGRESSION
    figure, (ax,) = _figure()
    months = sorted({month for by_month in groups.values() for month in by_month})
    for number, (site, by_month) in enumerate(sorted(groups.items())):
        shown = [month for month in months if month in by_month and by_month[month]["labelled"] > 0]
        if shown:
            values, errors = _errors([by_month[month]["mean" if amounts else "rate"] for month in shown])
            places = [months.index(month) + 0.06 * number for month in shown]
            ax.errorbar(places, values, yerr=errors, marker="o", capsize=2, label=site)
    ax.set_xticks(range(len(months)), months, rotation=45)
    ax.set_ylabel(_in_unit("mean of", contract) if amounts else f"share of `{contract.target}`")
    if not amounts:
        ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    _save(figure, folder, "target_by_month")


def evaluation_plots(
    labels: Floats,
    scores: Floats,
    baseline: Floats,
    *,
    evidence: Mapping[str, Any],
    contract: Contract,
    folder: Path,
) -> None:
    """``calibration``, ``by_week``, ``importance``, where there are sites ``by_site``; ``ranking``, or of amounts ``residuals``.

    Args:
        labels: with ``scores`` and ``baseline`` in the target's own unit, shape (n,) each.
    """
    _calibration(labels, scores, baseline, contract, folder)
    if contract.task is Task.CLASSIFICATION:
        _ranking(labels, scores, baseline, folder)
    else:
        _residuals(labels, scores, contract, folder)
    measures = {contract.task.ranking: contract.task.ranking_name, "observed_expected": "observed / expected"}
    _by_week(evidence["by_week"], measures, folder)
    _importance(evidence["importance"], contract.task.ranking_name, folder)
    if "by_site" in evidence:
        _by_site(evidence, measures, folder)


def _in_unit(what: str, contract: Contract) -> str:
    unit = contract.column(contract.target).unit
    return f"{what} `{contract.target}`" + (f" ({unit})" if unit else "")


def _calibration(labels: Floats, scores: Floats, baseline: Floats, contract: Contract, folder: Path) -> None:
    figure, (ax,) = _figure()
    for name, given, colour in (("model", scores, MODEL), ("baseline", baseline, BASELINE)):
        parts = [part for part in np.array_split(np.argsort(given, kind="stable"), 10) if len(part)]
        points = [(given[part].mean(), labels[part].mean()) for part in parts]
        ax.plot(*zip(*points, strict=True), marker="o", color=colour, label=name)
    amounts = contract.task is Task.REGRESSION
    ends = (
        [min(ax.get_xlim()[0], ax.get_ylim()[0]), max(ax.get_xlim()[1], ax.get_ylim()[1])]
        if amounts
        else [0, 1]
    )
    ax.plot(ends, ends, color=GUIDE, linewidth=1, zorder=0)
    ax.set_xlabel("mean score of a tenth of the rows")
    ax.set_ylabel(_in_unit("mean of", contract) if amounts else "share observed")
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


def _residuals(labels: Floats, scores: Floats, contract: Contract, folder: Path) -> None:
    """How far the answers are off: by the answer (median, and 90 % of the rows), and altogether."""
    figure, (by_answer, whole) = _figure(columns=2)
    errors = labels - scores
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), 20) if len(part)]
    places = [scores[part].mean() for part in parts]
    low, middle, high = ([np.quantile(errors[part], level) for part in parts] for level in (0.05, 0.5, 0.95))
    by_answer.fill_between(places, low, high, color=MODEL, alpha=0.2, linewidth=0)
    by_answer.plot(places, middle, marker="o", color=MODEL)
    by_answer.axhline(0, color=GUIDE, linewidth=1)
    by_answer.set_xlabel("score")
    by_answer.set_ylabel(_in_unit("observed - score,", contract))
    whole.hist(errors, bins=60, color=MODEL)
    whole.set_xlabel(_in_unit("observed - score,", contract))
    whole.set_ylabel("rows")
    _save(figure, folder, "residuals")


def _by_week(weeks: Mapping[str, Mapping[str, Any]], measures: Mapping[str, str], folder: Path) -> None:
    figure, axes = _figure(columns=2)
    for ax, (name, label) in zip(axes, measures.items(), strict=True):
        ax.plot(list(weeks), [week[name] for week in weeks.values()], marker="o", color=MODEL)
        ax.set_ylabel(label)
        ax.tick_params(axis="x", rotation=45)
    axes[1].axhline(1, color=GUIDE, linewidth=1)
    _save(figure, folder, "by_week")


def _by_site(evidence: Mapping[str, Any], measures: Mapping[str, str], folder: Path) -> None:
    figure, axes = _figure(columns=2)
    sites = list(evidence["by_site"])
    for ax, (name, label) in zip(axes, measures.items(), strict=True):
        values, errors = _errors([evidence["by_site"][site][name] for site in sites])
        ax.errorbar(values, range(len(sites)), xerr=errors, fmt="o", capsize=3, color=MODEL)
        ax.axvline(evidence[name]["value"], color=GUIDE, linewidth=1)
        ax.set_yticks(range(len(sites)), sites)
        ax.set_xlabel(f"{label} (line: all sites)")
    _save(figure, folder, "by_site")


def _importance(lost: Mapping[str, float], ranking: str, folder: Path) -> None:
    names = sorted(lost, key=lambda name: lost[name])
    figure, (ax,) = _figure(height=1 + 0.25 * len(names))
    figure.subplots_adjust(left=0.35)
    ax.barh(names, [lost[name] for name in names], color=MODEL)
    ax.set_xlabel(f"{ranking} lost when shuffled")
    _save(figure, folder, "importance")
