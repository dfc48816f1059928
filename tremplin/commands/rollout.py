"""``rollout``: waves, halt, resumption and rollback of what is live."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tremplin import live
from tremplin.charter import Permission
from tremplin.commands.context import AsJson, AsOf, Context, Key, context, print_json, styled
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
    with prefect_server.calling_flows(given.settings):
        from pipelines.flows import rolling_out

        done = rolling_out(given.pilot.name, state.challenger or state.champion, given.past(as_of))
    report(given, done, as_json=as_json)


@app.command()
def halt(ctx: typer.Context, key: Key, reason: Why, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Everybody back to the champion, within seconds, until somebody who may approve resumes.

    Example: `tremplin rollout halt --key ~/.ssh/id_ed25519 --reason "complaints at a desk"`
    """
    from pipelines import rollout

    given = context(ctx)
    by = who_may(given, "halt", key, reason)
    step(given, rollout.halt, by, "halted", reason=reason, as_of=as_of, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, key: Key, reason: Why, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Let a halted challenger begin again, with wave 1 at the next `rollout next`; who may approve decides.

    Example: `tremplin rollout resume --key ~/.ssh/id_ed25519 --reason "the complaints were about something else"`
    """
    from pipelines import rollout

    given = context(ctx)
    by = who_may(given, "approve", key, reason)
    step(given, rollout.resume, by, "resumed", reason=reason, as_of=as_of, as_json=as_json)


@app.command()
def rollback(
    ctx: typer.Context,
    key: Key,
    reason: Why,
    release: Annotated[
        str | None, typer.Argument(help="What is taken back. Default: the challenger that is on its way.")
    ] = None,
    *,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Take back the challenger, or the champion if it is named: model, threshold and contract together.

    Example: `tremplin rollout rollback --key ~/.ssh/id_ed25519 --reason "too many needless calls"`
    """
    from pipelines import rollout
    from pipelines.flows import set_live_aliases
    from tremplin.steps import last_step

    given = context(ctx)
    by = who_may(given, "halt", key, reason)
    state = now(given)
    last = last_step(given.store, given.pilot.name)
    done = "rolled back"
    if release is None and state.challenger is None and last is not None and last.kind == "rollback":
        release, done = str(last.facts["release"]), "nothing: what was on its way was rolled back before"
    taken = release or state.challenger
    if taken is None:
        raise TremplinError(
            f"No challenger of {given.pilot.name} is on its way. To take back its champion, name it: "
            f"`tremplin rollout rollback {state.champion}`."
        )
    take = partial(rollout.rollback, release_id=taken)
    step(given, take, by, done, reason=reason, as_of=as_of, as_json=as_json)
    set_live_aliases(given.settings, given.store, given.pilot.name)


def step(
    given: Context,
    take: Callable[..., live.Live],
    by: tuple[str, Signatory],
    done: str,
    *,
    reason: str,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Take a step in a person's name, and say what is live after it."""
    name, signatory = by
    moment = given.past(as_of)
    state = take(given.store, given.pilot, by=name, as_of=moment, reason=reason, signed_by=signatory)
    said = {"done": done, **state.model_dump(exclude={"rollout_key"}), "reasons": [reason]}
    report(given, said, as_json=as_json)


def now(given: Context) -> live.Live:
    """What is live."""
    known = live.current(given.store, given.pilot.name)
    if known is None:
        raise TremplinError(
            f"Nothing of {given.pilot.name} is live yet. `tremplin run`, then `tremplin approve`."
        )
    return known[1]


def who_may(given: Context, permission: Permission, key: Path, reason: str) -> tuple[str, Signatory]:
    """Name and signature of the person whose key it is, if the charter lets them, and the journal takes their reason."""
    from governance.notes import plain
    from governance.rights import allowed

    plain(reason)
    signatory = given.signatory(key)
    return allowed(given.pilot, signatory.contact, permission).name, signatory


def report(given: Context, done: dict[str, object], *, as_json: bool) -> None:
    """Say what was done and why."""
    if as_json:
        print_json(done)
        return
    wave = f", wave {done['wave']}" if "wave" in done else ""
    given.console.print(styled(str(done["done"]), "bold"), wave, sep="")
    for reason in done.get("reasons", []):  # type: ignore[attr-defined]
        given.console.print(f"  {reason}")
