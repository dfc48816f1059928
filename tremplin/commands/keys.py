"""``key``: who may call the server. Only hashes are kept; running servers follow the file within seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from serving.access.roles import Role
from tremplin.commands.context import AsJson, context, print_json

app = typer.Typer(help="API keys: who may call the server, and for what.", no_args_is_help=True)


@app.command()
def new(
    ctx: typer.Context,
    identity: Annotated[str, typer.Option("--id", help="Who calls: small letters, digits, dots, dashes.")],
    role: Annotated[list[Role], typer.Option(help="What it may do; say it again for several.")],
    days: Annotated[
        int | None, typer.Option(min=1, help="How long it lasts. Default: until revoked.")
    ] = None,
) -> None:
    """Make a key and print it, once: it is kept nowhere. For an id that has one, a second, to replace the first.

    Example: `tremplin key new --id portal --role predict --role explain --days 90`
    """
    from serving.access.keys import add

    given = context(ctx)
    now = datetime.now(UTC)
    expires = now + timedelta(days=days) if days else None
    key = add(given.settings.api_keys, identity, tuple(role), now, expires)
    typer.echo(key)
    until = f"until {expires:%Y-%m-%d %H:%M} UTC" if expires else "until it is revoked"
    typer.echo(
        f"{identity} may {', '.join(sorted(set(role)))}, {until}. Keep the key now: it is not shown again. Callers send it "
        f"as `Authorization: Bearer KEY`. Its hash is in {given.settings.api_keys}.",
        err=True,
    )


@app.command("list")
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show who has a key, for what and until when; the keys themselves are nowhere. Example: `tremplin key list`."""
    from rich.table import Table

    from serving.access.keys import read

    given = context(ctx)
    now = datetime.now(UTC)
    keys = sorted(read(given.settings.api_keys).keys, key=lambda key: (key.id, key.created))
    if as_json:
        shown = [key.model_dump(mode="json", exclude={"sha256"}) for key in keys]
        print_json([row | {"counts": key.counts(now)} for row, key in zip(shown, keys, strict=True)])
        return
    table = Table("id", "roles", "created", "expires", "counts")
    for key in keys:
        expires = f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "never"
        counts = "yes" if key.counts(now) else "expired"
        table.add_row(key.id, ", ".join(key.roles), f"{key.created:%Y-%m-%d %H:%M}", expires, counts)
    given.console.print(table)
    if not keys:
        given.console.print(f"no key yet: {given.settings.api_keys}", soft_wrap=True)


@app.command()
def revoke(
    ctx: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Whose keys.")],
    older: Annotated[bool, typer.Option("--older", help="All but the newest, once callers have it.")] = False,
) -> None:
    """Take an id's keys back; servers refuse them within seconds. Example: `tremplin key revoke portal --older`."""
    from serving.access.keys import revoke as take_back

    gone = take_back(context(ctx).settings.api_keys, identity, keep_newest=older)
    if not gone:
        typer.echo(f"{identity} has one key, the newest: nothing to revoke.", err=True)
    for key in gone:
        typer.echo(f"revoked: the key of {key.id} made on {key.created:%Y-%m-%d %H:%M} UTC", err=True)
