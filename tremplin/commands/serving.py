"""``serve`` and ``replay``: the model server, and real rows sent to it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tremplin.commands.context import AsJson, AsOf, context, print_json
from tremplin.errors import TremplinError


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Serve what is live over HTTP.

    Example: `tremplin serve --port 8000`, then open http://127.0.0.1:8000/docs
    """
    settings = context(ctx).settings
    os.environ["TREMPLIN_ROOT"] = str(settings.root)
    if host is not None:
        os.environ["TREMPLIN_HOST"] = host
    if port is not None:
        os.environ["TREMPLIN_PORT"] = str(port)
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606  (the server is this process from here on)


def replay(
    ctx: typer.Context,
    *,
    start: Annotated[str, typer.Option("--from", help="First day, such as 2013-07-01.")],
    end: Annotated[str, typer.Option("--to", help="Day after the last, such as 2013-08-01.")],
    url: Annotated[str, typer.Option(help="Where the server answers.")] = "http://127.0.0.1:8000",
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Send the source's rows to a running server, as its users would, and bring the outcomes known by then.

    Rows that were sent before are left out. Example: `tremplin replay --from 2013-07-01 --to 2013-08-01 --as-of 2013-08-04`
    """
    from pipelines.replaying import record_outcomes
    from pipelines.replaying import replay as send

    given = context(ctx)
    known_by, first, last = given.moment(as_of), given.moment(start, "--from"), given.moment(end, "--to")
    if last <= first:
        raise TremplinError(f"--to {end} does not come after --from {start}.")
    rows = given.pilot.source.fetch(first, last)
    sent = send(url, given.pilot, rows, given.store, key=given.settings.client_key.get_secret_value())
    known = record_outcomes(given.store, given.pilot, rows, known_by)
    if as_json:
        print_json(
            {
                "sent": sent.sent,
                "skipped": sent.skipped,
                "outcomes": known.new,
                "differing": known.differing,
                "seconds": round(sent.seconds, 3),
            }
        )
        return
    given.console.print(
        f"{sent.sent:,} rows answered in {sent.seconds:.1f} s, {sent.skipped:,} had been; {known.new:,} new outcomes"
    )
    if rows.empty:
        given.console.print(f"the source of {given.pilot.name} has no row from {start} to {end}")
    if known.differing:
        given.console.print(
            f"{known.differing:,} outcomes differ from those that the store has of the same keys. These stay: months were "
            "measured by them. If the source is right, correct the table `outcomes`, and measure again (`tremplin monitor`)."
        )
