"""The backtest as one picture: what was answered, what was gained, what was noticed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"policy": "#1f5fa8", "monthly": "#c8781e", "drift preset": "#5a9a5a"}
RULES = tuple(COLOURS)
MONTHS_NAMED = 12  # on the axis
SHIFTS_NAMED = 22  # those found most often; of the others the mean


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    quality, gains, delays = figure.subplots(1, 3)
    _quality(quality, found)
    _gains(gains, found)
    _delays(delays, found)
    for ax in (quality, gains, delays):
        ax.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def _quality(ax: Axes, found: dict[str, Any]) -> None:
    """Each rule by month, as the difference from never retraining: the seasons move the score itself ten times as far."""
    unchanged = found["history"]["never"]["brier_by_month"]
    months = list(unchanged)
    for rule in RULES:
        score, colour = found["history"][rule]["brier_by_month"], COLOURS[rule]
        gained = [unchanged[month] - score[month] for month in months]
        times = len(found["history"][rule]["retrainings"])
        ax.plot(months, gained, marker="o", color=colour, label=f"{rule}: {times} retrained")
    ax.axhline(0, color="#999999", linewidth=0.8)
    ax.set_title("Brier score gained over never retraining", fontsize=10)
    ax.set_xticks(months[:: -(-len(months) // MONTHS_NAMED)])
    ax.tick_params(axis="x", rotation=60)
    ax.legend(frameon=False)


def _gains(ax: Axes, found: dict[str, Any]) -> None:
    histories = {f"from {found['since']}": found["history"]}
    histories |= {f"from {start}": compared for start, compared in found["other_starts"].items()}
    histories |= found["sites"]
    for place, compared in enumerate(histories.values()):
        for number, rule in enumerate(RULES):
            gain = compared[rule]["cost_gain"]
            errors = np.array([[gain["value"] - gain["low"]], [gain["high"] - gain["value"]]])
            ax.errorbar(
                gain["value"],
                -place - 0.2 * (number - 1),
                xerr=errors,
                marker="o",
                capsize=2,
                color=COLOURS[rule],
                label=rule if place == 0 else None,
            )
    ax.axvline(0, color="#999999", linewidth=0.8)
    ax.set_yticks([-place for place in range(len(histories))], list(histories))
    ax.set_title("Cost saved for each row, over never retraining", fontsize=10)


def _delays(ax: Axes, found: dict[str, Any]) -> None:
    shifts = sorted(found["shifts"], key=lambda line: line["found"], reverse=True)
    bars = [
        (line["shift"], line["found"] / line["histories"], line["median_windows"])
        for line in shifts[:SHIFTS_NAMED]
    ]
    if others := shifts[SHIFTS_NAMED:]:
        share = sum(line["found"] / line["histories"] for line in others) / len(others)
        bars.append((f"{len(others)} others, mean", share, None))
    bars.reverse()  # the first is drawn at the bottom
    ax.barh([name for name, _, _ in bars], [share for _, share, _ in bars], color=COLOURS["policy"])
    for place, (_, share, windows) in enumerate(bars):
        if windows is not None:
            ax.text(share + 0.02, place, f"{windows:g} windows", va="center", fontsize=7)
    ax.set_xlim(0, 1.3)
    ax.set_xticks([0, 0.5, 1])
    ax.tick_params(axis="y", labelsize=7)
    ax.set_title("Share of histories retrained after a shift", fontsize=10)
