"""``tremplin new``: a pilot from a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tremplin.commands.context import AsJson, context, print_json, styled

if TYPE_CHECKING:
    from rich.console import Console

    from tremplin.scaffolding.pilot import Made


def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Of the new folder under pilots/.")],
    file: Annotated[Path, typer.Option("--from", help="A CSV or Parquet file with one row a question.")],
    *,
    target: Annotated[str | None, typer.Option(help="Column of two values (yes or no), or a number (how much).")] = None,
    above: Annotated[float | None, typer.Option(help="Of a target that is a number: ask yes or no, yes is above this.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of when it takes place. Default: found.")] = None,
    key: Annotated[str | None, typer.Option(help="Columns that together name a row, as a,b. Default: found.")] = None,
    site: Annotated[str | None, typer.Option(help="Column of where: performance is shown by it.")] = None,
    subject: Annotated[str | None, typer.Option(help="Column of the pseudonym that a cohort is drawn from.")] = None,
    label_after: Annotated[str | None, typer.Option(help="From a row's time to its answer: 12h. Default: 1d.")] = None,
    label_time: Annotated[str | None, typer.Option(help="Column of when the answer was known, if there is one.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a pilot from a table: five files, what only a person can know marked `changeme`.

    Example: `tremplin new bikes --from data/bikes.csv --target count --above 400 --label-after 1h`
    """
    from pipelines.gate.checks.leakage import single_auc
    from tremplin.scaffolding.asked import Asked
    from tremplin.scaffolding.pilot import new_pilot

    given = context(ctx)
    asked = Asked(
        target, above, time, tuple(key.split(",")) if key else (), site, subject, label_after, label_time
    )
    made = new_pilot(name, file, given.settings.root, asked, single_auc=single_auc)
    if as_json:
        print_json(_facts(made))
    else:
        _say(made, given.console)


def _facts(made: Made) -> dict[str, object]:
    return {
        "folder": str(made.folder),
        "rows": made.rows,
        "decided": made.decided,
        "features": [entry.name for entry in made.entries if entry.is_feature],
        "suspected": {entry.name: entry.remark for entry in made.entries if entry.suspected},
        "left_out": made.left_out,
        "as_of": made.as_of.isoformat(),
    }


def _say(made: Made, console: Console) -> None:
    """What was decided and why, what is suspected, and what comes next."""

    console.print(styled("made", "green"), f"{made.folder} from {made.rows:,} rows", soft_wrap=True)
    for line in made.decided:
        console.print(f"  {line}", soft_wrap=True)
    features = ", ".join(entry.name for entry in made.entries if entry.is_feature)
    console.print(f"  features: {features}", soft_wrap=True)
    for entry in made.entries:
        if entry.suspected:
            console.print(
                styled("suspected", "yellow"),
                f"{entry.name}: {(entry.remark or '').removeprefix('changeme: ')}",
                soft_wrap=True,
            )
        elif entry.remark:
            console.print(f"  no feature: {entry.name}: {entry.remark}", soft_wrap=True)
    for column, why in made.left_out.items():
        console.print(f"  left out: {column}: {why}", soft_wrap=True)
    name = made.folder.name
    console.print(
        f"next: tremplin check --pilot {name}     (what a person must still decide)", soft_wrap=True
    )
    console.print(f"then: tremplin run --pilot {name} --as-of {made.as_of}", soft_wrap=True)
