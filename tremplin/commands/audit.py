"""What an auditor asks first: ``trace``, ``status``."""

from __future__ import annotations

from typing import Annotated

import typer

from tremplin import journal, live
from tremplin.commands.context import AsJson, context, print_json, styled
from tremplin.commands.live_history import undecided
from tremplin.errors import TremplinError


def trace(
    ctx: typer.Context,
    prediction: Annotated[str, typer.Argument(help="A prediction id, as /predict answered it.")],
    as_json: AsJson = False,
) -> None:
    """Follow one prediction to its release, MLflow run, commit, data, gate verdict and approval.

    Example: `tremplin trace 0b9c…`
    """
    from governance.lineage import trace as follow

    given = context(ctx)
    found = follow(given.settings, given.store, prediction)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        given.console.print(found.table())
    if not found.unbroken:
        raise TremplinError(f"The trace of {prediction} is broken at: {', '.join(found.broken)}.")


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What is live, what was decided last, how many answers and outcomes there are; exit 1 if what is live was not decided.

    Example: `tremplin status --json`
    """
    import sqlalchemy as sa

    from tremplin.store import outcomes, predictions

    given = context(ctx)
    name = given.pilot.name
    now = live.current(given.store, name)
    entries = journal.entries(given.store, pilot=name)
    differing = undecided(given.store, name)
    with given.store.connect() as connection:
        counts = {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.pilot == name)
            ).scalar_one()
            for table in (predictions, outcomes)
        }
    content = {
        "pilot": name,
        "live": {"version": now[0], **now[1].model_dump(exclude={"rollout_key"})} if now else None,
        **counts,
        "journal": len(entries),
        "last": {"kind": entries[-1].kind, "as_of": entries[-1].as_of, "by": entries[-1].by}
        if entries
        else None,
        "undecided": differing,
    }
    if as_json:
        print_json(content)
        _refuse(differing)
        return
    if now is None:
        given.console.print(f"{name}: no release is live. `tremplin run`, then `tremplin approve`.")
    else:
        state = now[1]
        given.console.print(f"{name}: champion", styled(state.champion, "bold"))
        if state.challenger:
            way = "is halted" if state.halted else f"answers {state.share:.0%} of the subjects"
            given.console.print(f"  challenger {state.challenger} {way}")
        if state.stopped is not None:
            given.console.print("  stopped: the fallback rule answers.", state.stopped)
        if state.previous:
            given.console.print(f"  previous {state.previous}")
    answered = f"{counts['predictions']:,} predictions, {counts['outcomes']:,} outcomes"
    given.console.print(f"  {answered}, {len(entries)} journal entries")
    if entries:
        given.console.print(
            f"  last: {entries[-1].kind} by {entries[-1].by}, as of {entries[-1].as_of:%Y-%m-%d}"
        )
    _refuse(differing)


def _refuse(differing: list[str]) -> None:
    if differing:
        raise TremplinError(
            f"What is live is not what the journal says: {'; '.join(differing)}. Somebody wrote into the table live: see who "
            "can, and take it back (`tremplin rollout rollback`) or make it a decision."
        )
