"""``identity``: whose key is whose. The IT department keeps the list; the charter says what each person may do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from tremplin.commands.context import AsJson, context, print_json
from tremplin.errors import TremplinError

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
    if end and end <= datetime.now(UTC):
        raise TremplinError(
            f"--until {until} has passed: such an enrolment would sign nothing. Name an end to come, or leave it out; "
            "`tremplin identity remove` ends an enrolment now."
        )
    signer = add(given.settings.allowed_signers, contact, key, end)
    given.console.print(
        f"{signer.contact}: {fingerprint(signer.key)} in {given.settings.allowed_signers}", soft_wrap=True
    )


@app.command()
def remove(
    ctx: typer.Context,
    contact: Annotated[str, typer.Option(help="E-mail address of the person, as the list has it.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(help="Of the key, as `identity show` prints it. Default: every key of theirs."),
    ] = None,
) -> None:
    """End a person's enrolment now. What they signed before stays theirs: the line stays in the list, with its end.

    Example: `tremplin identity remove --contact ada.berg@town.example`
    """
    from governance.identity import end_enrolment
    from governance.signatures import fingerprint as named

    given = context(ctx)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(
        seconds=1
    )  # the list's times have whole seconds
    ended = end_enrolment(given.settings.allowed_signers, contact, fingerprint, end)
    sleep(max((end - datetime.now(UTC)).total_seconds(), 0))  # once this is answered, the key signs nothing
    for signer in ended:
        given.console.print(
            f"{contact}: {named(signer.key)} ended on {end:%Y-%m-%d %H:%M:%S} UTC", soft_wrap=True
        )
    if not ended:
        given.console.print(
            f"nothing to end: every such enrolment of {contact} had ended before", soft_wrap=True
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
