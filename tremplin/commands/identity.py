"""``identity``: whose key is whose. The IT department keeps the list; the charter says what each person may do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tremplin.commands.context import AsJson, context, print_json

app = typer.Typer(help="Whose key is whose: the list of those who can sign.", no_args_is_help=True)


@app.command()
def enrol(
    ctx: typer.Context,
    contact: Annotated[str, typer.Option(help="E-mail address of the person, as the charter has it.")],
    key: Annotated[Path, typer.Option(help="Their public key: the .pub file.")],
    until: Annotated[
        str | None, typer.Option(help="When the enrolment ends, such as 2027-01-01. Default: never.")
    ] = None,
) -> None:
    """Add a person's public key to the list that TREMPLIN_ALLOWED_SIGNERS names.

    Example: `tremplin identity enrol --contact ada.berg@town.example --key ada.pub --until 2027-01-01`
    """
    from governance.identity import enrol as add
    from governance.signatures import fingerprint

    given = context(ctx)
    end = given.moment(until, "--until") if until else None
    signer = add(given.settings.allowed_signers, contact, key, end)
    given.console.print(
        f"{signer.contact}: {fingerprint(signer.key)} in {given.settings.allowed_signers}", soft_wrap=True
    )
    if end and end <= datetime.now(UTC):
        given.console.print(
            f"It ended on {end:%Y-%m-%d}: it verifies what was signed before, and signs nothing."
        )


@app.command()
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show who can sign, and what the pilot's charter lets them do. Example: `tremplin identity show`."""
    from rich.table import Table

    from governance.identity import read_signers
    from governance.rights import people_of
    from governance.signatures import fingerprint

    given = context(ctx)
    now = datetime.now(UTC)
    signers = read_signers(given.settings.allowed_signers)
    found = []
    for signer in signers:
        people = people_of(given.pilot.charter.people, signer.contact)
        found.append(
            {
                "contact": signer.contact,
                "key": fingerprint(signer.key),
                "counts": signer.refusal(now) or "yes",
                "name": ", ".join(person.name for person in people) or "-",
                "may": ", ".join(sorted({may for person in people for may in person.may})) or "-",
            }
        )
    if as_json:
        print_json(found)
        return
    table = Table("contact", "key", "counts", "name", f"may, in {given.pilot.name}")
    for row in found:
        table.add_row(*row.values())
    given.console.print(table)
    if not found:
        given.console.print(f"nobody yet: {given.settings.allowed_signers}", soft_wrap=True)
