"""``backtest``: what the pilot's retraining policy would have been worth over its history."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from tremplin.commands.context import AsJson, Context, context, print_json

WHOLE = timedelta(days=3650)  # a source has no row after its last: asked for more, it gives what there is

Since = Annotated[
    str | None, typer.Option(help="When the first model is trained. Default: the demo's first training.")
]
Histories = Annotated[int, typer.Option(min=20, help="Made-up histories for the false alarms.")]
Figure = Annotated[Path | None, typer.Option(help="Where to draw the figure, such as backtest.png.")]


def backtest(
    ctx: typer.Context,
    since: Since = None,
    histories: Histories = 200,
    figure: Figure = None,
    as_json: AsJson = False,
) -> None:
    """Play the retraining policy over the pilot's whole history, against never, every month, and Evidently's default preset.

    Nothing is released or stored: models are trained in memory. Example: `tremplin backtest --figure backtest.png`
    """
    from tremplin.commands.backtest_measure import measure

    given, begun = context(ctx), time.perf_counter()
    start = given.moment(since or given.pilot.file.demo.first_training.isoformat(), "--since")
    past = read(given, start, begun)
    found = measure(past, start, histories=histories)
    found["seconds"] = round(time.perf_counter() - begun)
    if figure:
        from tremplin.commands.backtest_figure import draw

        draw(found, figure)
    if as_json:
        print_json(found)
    else:
        show(given, found)


def read(given: Context, start: datetime, begun: float) -> Any:
    """Every row that the source has from the first training's window on."""
    from pipelines.stages import typed
    from tremplin.commands.backtest_measure import Past

    def tell(what: str) -> None:
        print(f"  {time.perf_counter() - begun:4.0f} s  {what}", file=sys.stderr, flush=True)

    tell(f"reading {given.pilot.name}")
    contract, window = given.pilot.contract, timedelta(days=given.pilot.file.data.window_days)
    rows = typed(given.pilot.source.fetch(start - window, start + WHOLE), contract)
    return Past(given.pilot, rows.sort_values([contract.time, contract.key], ignore_index=True), tell)


def show(given: Context, found: dict[str, Any]) -> None:
    """The tables."""
    from rich.table import Table

    currency = given.pilot.charter.costs.currency
    histories = {f"from {found['since']}": found["history"]}
    histories |= {f"from {start}": compared for start, compared in found["other_starts"].items()}
    histories |= {f"{site} alone": compared for site, compared in found["sites"].items()}
    table = Table(
        "history",
        "rule",
        "retrained",
        "Brier gained",
        "ROC area gained",
        f"{currency} saved",
        title="Against never retraining",
    )
    for name, compared in histories.items():
        for rule in ("policy", "monthly", "drift preset"):
            worth = compared[rule]
            table.add_row(
                name,
                rule,
                str(len(worth["retrainings"])),
                interval(worth["brier_gain"], "+.4f"),
                interval(worth["auc_gain"], "+.3f"),
                interval(worth["saved"], "+,.0f"),
            )
    given.console.print(table)
    alarms = Table(
        "model of",
        "observed / expected",
        "in the first windows",
        "in a year",
        "in a year, evaluation drawn too",
        "the gate",
        title="Retrained though nothing had changed",
    )
    for line in found["false_alarms"]:
        of = f" of {line['histories']}"
        alarms.add_row(
            line["model"],
            f"{line['observed_expected']:.2f}",
            f"{line['first_windows']}{of}",
            f"{line['year']}{of}",
            f"{line['evaluation_drawn']}{of}",
            ", ".join(line["blocked_by"]) or "passes",
        )
    given.console.print(alarms)
    delays = Table("shift", "ROC area", "observed / expected", "retrained", "windows", title="Real shifts")
    for line in found["shifts"]:
        delays.add_row(
            line["shift"],
            f"{line['roc_auc']:.3f}",
            f"{line['observed_expected']:.2f}",
            f"{line['found']} of {line['histories']}",
            "" if line["median_windows"] is None else f"{line['median_windows']:g}",
        )
    given.console.print(delays)
    given.console.print(f"{found['rows']:,} rows, {found['seconds']} s")


def interval(estimate: dict[str, float], how: str) -> str:
    """A value with its bounds."""
    value, low, high = (format(estimate[name], how) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
