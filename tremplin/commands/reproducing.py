"""``reproduce``: a recorded version made again from what was kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tremplin import journal
from tremplin.commands.context import AsJson, context, print_json, styled
from tremplin.errors import TremplinError
from tremplin.journal import BY_MACHINE


def reproduce(
    ctx: typer.Context,
    version: Annotated[int, typer.Argument(help="Number of the registered model version.")],
    into: Annotated[
        Path | None, typer.Option(help="An empty folder to work in. Default: under .tremplin/reproduced.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a version again in an empty folder, from its commit, its lock and its snapshot, and compare every byte.

    The answer goes to the journal and to MLflow; a version that came out otherwise is approved by nobody.

    Example: `tremplin reproduce 1`
    """
    from pipelines.recording import tag_version
    from pipelines.reproduction import reproduce_version

    given = context(ctx)
    moment = given.moment(None)
    name = f"{given.pilot.name}-{version}-{moment:%Y%m%dT%H%M%S}"
    folder = into.resolve() if into else given.settings.home / "reproduced" / name
    found = reproduce_version(given.settings, given.pilot.name, version, folder)
    facts = {
        "version": version,
        "commit": found.commit,
        "same": found.same,
        "differing": found.differing,
        "compared": len(found.outputs),
    }
    journal.append(
        given.store,
        "reproduction",
        identity=name,
        pilot=given.pilot.name,
        by=BY_MACHINE,
        as_of=moment,
        facts=facts,
    )
    said = "same" if found.same else f"differs: {', '.join(found.differing)}"
    tag_version(given.settings, given.pilot.name, version, {"reproduced": said})
    if as_json:
        print_json({**facts, "folder": str(folder)})
    else:
        for path, same in found.outputs.items():
            given.console.print(" ", styled("same   ", "green") if same else styled("differs", "red"), path)
    if not found.same:
        raise TremplinError(
            f"Version {version} did not come out the same: {', '.join(found.differing)}. Code, parameters and snapshot were "
            "those of its lock, so look at what it does not hold: the versions of the libraries (locks/dev.txt of the commit), "
            f"the processor, or a stage that reads something else. What was made is in {folder}."
        )
    if not as_json:
        given.console.print(f"version {version}: the same bytes again, from commit {found.commit[:12]}")
