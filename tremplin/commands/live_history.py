"""What is live against the journal: every step is written before it is taken, so a row that no step led to was not decided."""

from __future__ import annotations

from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tremplin import journal, live, store
from tremplin.errors import TremplinError
from tremplin.journal import Entry


def recorded_pilots(engine: Engine) -> list[str]:
    """Pilots of which something is live, or was decided."""
    with engine.connect() as connection:
        found = {
            *connection.scalars(sa.select(store.live.c.pilot)),
            *connection.scalars(sa.select(store.journal.c.pilot)),
        }
    return sorted(map(str, found))


def undecided(engine: Engine, pilot: str) -> list[str]:
    """How what is live differs from what the journal's steps led to, one sentence each; empty where it does not.

    A step that was written and not yet taken is no difference, nor is a store that began with what an image proposed and was
    not changed since.
    """
    from tremplin.steps import ANY_STEP, STEPS

    try:
        known = live.current(engine, pilot)
        steps = [e for e in journal.entries(engine, pilot=pilot) if e.kind in STEPS]
        while (
            now := live.current(engine, pilot)
        ) != known:  # a step was taken meanwhile: the two must be of one moment
            known, steps = now, [e for e in journal.entries(engine, pilot=pilot) if e.kind in STEPS]
    except TremplinError as error:
        return [str(error)]
    version, state = known or (0, None)
    if not steps:
        return [] if known is None or _seeded(engine, pilot) else [
            f"{pilot}: version {version} of what is live ({_told(state)}) was decided by no entry of the journal"
        ]  # fmt: skip
    found = [
        f"{pilot}: entry {later.number} ({later.kind}) begins with {_told(_state(later, 'before'))}, and entry {earlier.number} "
        f"({earlier.kind}) led to {_told(_state(earlier, 'after'))}"
        for earlier, later in pairwise(steps)
        if _state(later, "before") != _state(earlier, "after")
    ]
    last = steps[-1]
    waiting = last.identity == f"{pilot}:{ANY_STEP}:{version}"
    expected = _state(last, "before" if waiting else "after")
    if state != expected:
        found.append(
            f"{pilot}: version {version} of what is live ({_told(state)}) is not what entry {last.number} ({last.kind} by "
            f"{last.by}) {'began with' if waiting else 'led to'} ({_told(expected)})"
        )
    return found


def _seeded(engine: Engine, pilot: str) -> bool:
    """Whether what is live is the one row that an empty store begins with."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(store.live.c.by).where(store.live.c.pilot == pilot)).all()
    return [row.by for row in rows] == ["seed"]


def _state(step: Entry, when: str) -> live.Live | str | None:
    """What was live ``before`` or ``after`` a step, None for nothing; what cannot be that, as it stands there."""
    said = step.facts.get(when)
    try:
        return None if said is None else live.Live.model_validate(said)
    except ValueError:
        return str(said)


def _told(state: live.Live | str | None) -> str:
    if not isinstance(state, live.Live):
        return state or "nothing"
    challenger = f", challenger {state.challenger} for {state.share:.0%}" if state.challenger else ""
    halted, stopped = ", halted" if state.halted else "", ", stopped" if state.stopped is not None else ""
    return f"champion {state.champion}{challenger}{halted}{stopped}"
