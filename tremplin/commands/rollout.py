"""``rollout``: waves, halt and rollback of what is live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tremplin import live
from tremplin.commands.context import AsJson, AsOf, Context, Key, context, print_json
from tremplin.errors import TremplinError
from tremplin.journal import Signatory

app = typer.Typer(
    help="Bring a challenger to its users in waves, halt it, take it back.", no_args_is_help=True
)

Why = Annotated[str, typer.Option(help="Why, in a sentence for the journal.")]


@app.command("next")
def next_wave(
    ctx: typer.Context,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Judge the open wave on its outcomes; open the next one, promote, hold, or roll back. It may be asked every day.

    Example: `tremplin rollout next --as-of 2013-10-10`
    """
    from pipelines import prefect_server

    given = context(ctx)
    state = now(given)
    if state.challenger is None:
        raise TremplinError(
            f"No challenger of {given.pilot.name} is on its way. `tremplin approve` starts one."
        )
    with prefect_server.calling_flows(given.settings):
        from pipelines.flows import rolling_out

        done = rolling_out(given.pilot.name, state.challenger, given.moment(as_of))
    report(given, done, as_json=as_json)


@app.command()
def halt(ctx: typer.Context, key: Key, reason: Why, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Everybody back to the champion, within seconds. Example: `tremplin rollout halt --key ~/.ssh/id_ed25519 --reason "…"`."""
    from pipelines import rollout

    given = context(ctx)
    by, signed_by = may_halt(given, key, reason)
    state = rollout.halt(
        given.store, given.pilot, by=by, as_of=given.moment(as_of), reason=reason, signed_by=signed_by
    )
    report(
        given,
        {"done": "halted", **state.model_dump(exclude={"rollout_key"}), "reasons": [reason]},
        as_json=as_json,
    )


@app.command()
def rollback(ctx: typer.Context, key: Key, reason: Why, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Take back the challenger, or the champion if none is on its way: model, threshold and contract together.

    Example: `tremplin rollout rollback --key ~/.ssh/id_ed25519 --reason "too many needless calls"`
    """
    from pipelines import rollout
    from pipelines.flows import set_live_aliases

    given = context(ctx)
    by, signed_by = may_halt(given, key, reason)
    before = now(given)
    taken = before.challenger or before.champion
    state = rollout.rollback(
        given.store,
        given.pilot,
        taken,
        by=by,
        as_of=given.moment(as_of),
        reason=reason,
        signed_by=signed_by,
    )
    set_live_aliases(given.settings, given.store, given.pilot.name)
    report(
        given,
        {"done": "rolled back", **state.model_dump(exclude={"rollout_key"}), "reasons": [reason]},
        as_json=as_json,
    )


def now(given: Context) -> live.Live:
    """What is live."""
    known = live.current(given.store, given.pilot.name)
    if known is None:
        raise TremplinError(
            f"Nothing of {given.pilot.name} is live yet. `tremplin run`, then `tremplin approve`."
        )
    return known[1]


def may_halt(given: Context, key: Path, reason: str) -> tuple[str, Signatory]:
    """Name and signature of the person whose key it is, if the charter lets them halt, and the journal take their reason."""
    from governance.identity import allowed
    from governance.notes import plain

    plain(reason)
    signatory = given.signatory(key)
    return allowed(given.pilot.charter, signatory.contact, "halt", given.pilot.name).name, signatory


def report(given: Context, done: dict[str, object], *, as_json: bool) -> None:
    """Say what was done and why."""
    if as_json:
        print_json(done)
        return
    given.console.print(f"[bold]{done['done']}[/]" + (f", wave {done['wave']}" if "wave" in done else ""))
    for reason in done.get("reasons", []):  # type: ignore[attr-defined]
        given.console.print(f"  {reason}")
