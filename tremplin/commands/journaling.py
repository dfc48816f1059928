"""``journal``: what was decided, by whom; what people add; and the proof that nobody rewrote it."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from tremplin import journal
from tremplin.commands.context import AsJson, AsOf, Key, context, print_json, styled
from tremplin.commands.live_history import recorded_pilots, undecided
from tremplin.errors import TremplinError

_HASH = re.compile(r"_hash$|^run_id$|^approval$|^commit$|^signature$")

app = typer.Typer(
    help="The append-only record of what was decided, by whom, on which evidence.", no_args_is_help=True
)


@app.command()
def show(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind, such as `approval`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the journal, oldest first. Example: `tremplin journal show --kind approval`."""
    from rich.table import Table

    given = context(ctx)
    found = journal.entries(given.store, pilot=given.settings.pilot, kind=kind)
    if as_json:
        print_json([asdict(entry) for entry in found])
        return
    table = Table("number", "as of", "kind", "by", "facts")
    for entry in found:
        table.add_row(
            str(entry.number), f"{entry.as_of:%Y-%m-%d}", entry.kind, entry.by, _readable(entry.facts)
        )
    given.console.print(table)


@app.command()
def verify(
    ctx: typer.Context,
    anchor: Annotated[
        Path | None, typer.Option(help="A file that `journal anchor` wrote and somebody else kept.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every hash of the chain, verify every signature, compare with what is live and with an anchor; exit 1 if one
    differs or is nobody's.

    Example: `tremplin journal verify --anchor 2026-06.json`
    """
    from governance.anchors import against_anchor
    from governance.identity import read_signers
    from governance.keys import release_line
    from governance.notes import not_enrolled, unsigned

    given = context(ctx)
    listed = given.settings.allowed_signers
    signers = read_signers(listed)
    entries = journal.entries(given.store)
    if not listed.exists() and any("signature" in entry.facts for entry in entries):
        raise TremplinError(
            f"Whose signatures they are cannot be verified: {listed} is not there. Set TREMPLIN_ALLOWED_SIGNERS."
        )
    problems = journal.verify(given.store) + unsigned(entries, signers)
    unknown = not_enrolled(entries, signers)
    differing = [said for pilot in recorded_pilots(given.store) for said in undecided(given.store, pilot)]
    content: dict[str, object] = {
        "entries": len(entries), "problems": problems, "not_enrolled": unknown, "undecided": differing,
    }  # fmt: skip
    compared = "no anchor was given: a rewriting of the whole chain would not be found"
    if anchor is not None:
        release_key = release_line(given.settings.release_public_key)
        known, who, found = against_anchor(given.store, anchor, signers=signers, release_key=release_key)
        problems += found
        content["anchor"] = {"number": known.number, "anchored_at": known.anchored_at, "signed_by": who}
        compared = f"ok entry {known.number} is the one that {who} anchored"
    if as_json:
        print_json(content)
    tampered = [f"The journal was tampered with: {'; '.join(problems)}."] if problems else []
    live = [f"What is live is not what the journal says: {'; '.join(differing)}."] if differing else []
    if tampered or live:
        raise TremplinError("\n".join(tampered + live))
    if unknown:
        count = "1 signature is" if len(unknown) == 1 else f"{len(unknown)} signatures are"
        raise TremplinError(
            f"Every entry is as it was written and signed, but {count} of keys that {listed} does not know for a person:\n"
            + "\n".join(f"  {paragraph}" for paragraph in unknown)
        )
    if not as_json:
        given.console.print(styled("ok", "green"), f"{len(entries)} entries, each as it was written")
        given.console.print(compared)


@app.command()
def add(
    ctx: typer.Context,
    kind: Annotated[
        Literal["incident", "arbitration", "lesson"], typer.Option(help="What it is that you write down.")
    ],
    text: Annotated[
        str, typer.Option(help="What happened, was decided or was learned. Nobody's personal data.")
    ],
    key: Key,
    as_of: AsOf = None,
) -> None:
    """Write an incident, an arbitration or a lesson, signed with your key.

    Example: `tremplin journal add --kind incident --text "Half an hour without the weather feed" --key ~/.ssh/id_ed25519`
    """
    from governance.notes import add_note

    given = context(ctx)
    entry = add_note(given.store, given.pilot, kind, text, by=given.signatory(key), as_of=given.moment(as_of))
    given.console.print(f"entry {entry.number}: {entry.kind} by {entry.by}")


@app.command()
def anchor(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="Where to write it; its signature goes beside it, as FILE.sig.")
    ],
    key: Annotated[
        Path | None, typer.Option(help="Your SSH key. Without it the key that signs releases.")
    ] = None,
) -> None:
    """Write the journal's head to a small signed file, for somebody outside to keep.

    Example: `tremplin journal anchor 2026-06.json`
    """
    from governance.anchors import write_anchor
    from governance.keys import open_key

    given = context(ctx)
    sign = given.signatory(key).sign if key else open_key(given.settings.signing_key).sign
    made = write_anchor(given.store, file, sign=sign, now=datetime.now(UTC))
    given.console.print(
        f"entry {made.number} in {file} and {file}.sig: give both to somebody who cannot write to the database",
        soft_wrap=True,
    )


@app.command()
def extract(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Number of an entry that a person signed.")],
    file: Annotated[
        Path, typer.Argument(help="Where to write what they signed; the signature goes to FILE.sig.")
    ],
) -> None:
    """Write what a person signed, and their signature, as two files that `ssh-keygen -Y verify` reads.

    Example: `tremplin journal extract 2 go.json`
    """
    from governance.anchors import write_signed

    given = context(ctx)
    entry = next((e for e in journal.entries(given.store) if e.number == number), None)
    if entry is None or not isinstance(signature := entry.facts.get("signature"), str):
        raise TremplinError(f"No person signed an entry {number}. `tremplin journal show` lists them.")
    write_signed(file, entry.statement(), signature)
    given.console.print(f"{file} and {file}.sig, signed by {entry.facts['contact']}", soft_wrap=True)


def _readable(facts: dict[str, object]) -> str:
    """The facts a person reads, one a line; hashes and whole structures are left to --json."""
    lines = []
    for name, value in facts.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            lines += [f"{name}: {item}" for item in value]
        elif value is not None and not isinstance(value, dict | list) and not _HASH.search(name):
            lines.append(f"{name}: {value}")
    return "\n".join(lines)
