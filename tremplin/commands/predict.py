"""``predict``: a whole file answered in one go."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tremplin.commands.context import AsJson, context, print_json
from tremplin.errors import TremplinError

if TYPE_CHECKING:
    from collections.abc import Callable


class OnFault(StrEnum):
    """What becomes of rows that do not fit the contract."""

    REFUSE = "refuse"
    SET_ASIDE = "set-aside"


def predict(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Rows in the columns of the contract: .parquet or .csv.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(help="Where the answers go: .parquet or .csv. Default: FILE.predictions beside it."),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Try this release instead of what is live; its answers are not logged.")
    ] = None,
    on_fault: Annotated[
        OnFault,
        typer.Option(
            help="Rows that do not fit the contract: answer nothing, or answer the others and list these in OUTPUT.faults.csv.",
        ),
    ] = OnFault.REFUSE,
    as_json: AsJson = False,
) -> None:
    """Answer every row of a file as the server would. Stopped in the middle, the same command goes on where it was.

    Example: `tremplin predict july.parquet --output answers.csv`
    """
    from tremplin.commands.batch import predict_file

    given = context(ctx)
    if not file.is_file():
        raise TremplinError(f"There is no file {file}.")
    target = output or file.with_name(f"{file.stem}.predictions{file.suffix}")
    if target.suffix.lower() not in (".parquet", ".csv"):
        raise TremplinError(f"--output {target} is neither .parquet nor .csv.")
    if target.resolve() == file.resolve():
        raise TremplinError(f"--output {target} is the file with the rows: name another.")
    progress, close = _shown()
    try:
        facts = predict_file(
            given.settings,
            given.store,
            file,
            target,
            release=release,
            set_aside=on_fault is OnFault.SET_ASIDE,
            progress=progress,
        )
    finally:
        close()
    if as_json:
        print_json(
            {
                "output": str(target),
                "answered": facts.answered,
                "resumed": facts.resumed,
                "set_aside": facts.set_aside,
                "faults": facts.faults,
                "logged": release is None,
            }
        )
        return
    earlier = f", {facts.resumed:,} of its rows by an earlier run" if facts.resumed else ""
    typer.echo(f"{facts.answered:,} rows answered in {target}{earlier}")
    if facts.set_aside:
        typer.echo(
            f"{facts.set_aside:,} rows do not fit the contract and are not answered; why is in {facts.faults}"
        )
    if release is not None:
        typer.echo(f"release {release} was tried: nothing was logged")


def _shown() -> tuple[Callable[[int, int | None], None], Callable[[], None]]:
    """A bar on a terminal; elsewhere a line now and then."""
    if not sys.stderr.isatty():
        return lambda done, total: typer.echo(_line(done, total), err=True), lambda: None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    shown = bar.add_task("checking", total=None)
    bar.start()
    return lambda done, total: bar.update(
        shown, description=_line(done, total), completed=done, total=total
    ), bar.stop


def _line(done: int, total: int | None) -> str:
    return f"{done:,} rows answered" if total is None else f"{done:,} of {total:,} rows answered"
