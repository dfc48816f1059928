"""Waves: how a release reaches its users, and how it is taken back. Each step changes the row of what is live, and is written.

The journal is written before the row is changed, under an identity made of the row's version. What was written was decided:
a step that was cut short in between is completed before the next one, whichever that is and whoever takes it (``settled``).
Calling a step that is already done changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.journal import Entry, Signatory
from tremplin.live import Live, change, current
from tremplin.pilot import Pilot

STEPS = ("go-live", "rollout", "wave", "halt", "resumption", "promotion", "rollback")  # kinds of entries


def settled(engine: Engine, pilot: str) -> tuple[int, Live] | None:
    """What is live, with the version of its row, after a step that was written but not taken is taken; None before any."""
    known, step = current(engine, pilot), last_step(engine, pilot)
    version = known[0] if known else 0
    if step is None or step.identity != _identity(pilot, step.kind, version, step.facts["release"]):
        return known
    change(engine, pilot, Live.model_validate(step.facts["after"]), by=step.by, reason=step.facts["reason"])
    return current(engine, pilot)


def last_step(engine: Engine, pilot: str) -> Entry | None:
    """The newest entry of the journal that changed what is live."""
    return next((e for e in reversed(journal.entries(engine, pilot=pilot)) if e.kind in STEPS), None)


def start_rollout(engine: Engine, pilot: Pilot, release_id: str, *, by: str, as_of: datetime) -> Live:
    """Make a release the challenger, with no share yet. The first release of all becomes champion at once: it has nobody to meet.

    Raises:
        TremplinError: another challenger is on its way.
    """
    known = settled(engine, pilot.name)
    if known is None:
        reason = "first go-live: there is no champion to compare with, so it answers everybody at once"
        return _step(
            engine, pilot, "go-live", Live(champion=release_id), release_id, by=by, as_of=as_of, reason=reason
        )
    _, state = known
    if release_id in (state.champion, state.challenger):
        return state
    if state.challenger is not None:
        raise TremplinError(
            f"The challenger {state.challenger} of {pilot.name} is {_way(state)}. "
            f"Promote it or roll it back (`tremplin rollout`) before {release_id} starts."
        )
    before = {e.facts["release"] for e in journal.entries(engine, pilot=pilot.name, kind="rollout")} - {
        release_id
    }
    # One draw of the cohorts a rollout, and the same one when a history is played again.
    key = hashlib.sha256(f"{pilot.name} rollout {len(before) + 1}".encode()).hexdigest()
    new = state.model_copy(update={"challenger": release_id, "share": 0.0, "rollout_key": key})
    reason = f"challenger to the champion {state.champion}, waves {', '.join(f'{w:.0%}' for w in pilot.file.rollout.waves)}"
    return _step(engine, pilot, "rollout", new, release_id, by=by, as_of=as_of, reason=reason)


def open_wave(
    engine: Engine,
    pilot: Pilot,
    release_id: str,
    wave: int,
    *,
    by: str,
    as_of: datetime,
    evidence: dict[str, Any] | None = None,
) -> Live:
    """Let the challenger answer the users up to wave ``wave`` (from 1, as in ``rollout.waves``).

    Raises:
        TremplinError: the release is not the challenger, a person halted it, or a wave would be left out.
    """
    state = _live(engine, pilot)
    waves = pilot.file.rollout.waves
    if state.challenger != release_id:
        raise TremplinError(f"{release_id} is not the challenger of {pilot.name}. Start its rollout first.")
    if state.halted:
        step = last_step(engine, pilot.name)
        who = f"{step.by} halted it on {step.as_of:%Y-%m-%d}: {step.facts['reason']}" if step else ""
        raise TremplinError(
            f"The rollout of {release_id} stays halted ({who}). Who may approve {pilot.name} can let it begin again with "
            "wave 1, `tremplin rollout resume`; `tremplin rollout rollback` takes it back."
        )
    open_now = wave_of(pilot, state)
    if not 1 <= wave <= len(waves) or wave > open_now + 1:
        raise TremplinError(
            f"Wave {wave} cannot be opened: {open_now} of {len(waves)} are open, and none is left out."
        )
    if wave <= open_now:
        return state
    new = state.model_copy(update={"share": waves[wave - 1]})
    reason = f"wave {wave} of {len(waves)}: {waves[wave - 1]:.0%} of the users"
    return _step(engine, pilot, "wave", new, release_id, by=by, as_of=as_of, reason=reason, evidence=evidence)


def wave_of(pilot: Pilot, state: Live) -> int:
    """How many waves are open; 0 before the first."""
    return sum(1 for share in pilot.file.rollout.waves if share <= state.share)


def wave_opened(engine: Engine, pilot: Pilot, release_id: str) -> datetime | None:
    """When the open wave of a release was opened; None before its first."""
    waves = journal.entries(engine, pilot=pilot.name, kind="wave")
    return next((entry.as_of for entry in reversed(waves) if entry.facts["release"] == release_id), None)


def halt(
    engine: Engine,
    pilot: Pilot,
    *,
    by: str,
    as_of: datetime,
    reason: str,
    signed_by: Signatory | None = None,
) -> Live:
    """Everybody back to the champion, at once; the challenger stays where it is until a person lets it begin again.

    Raises:
        TremplinError: no challenger is on its way.
    """
    state, challenger = _challenged(engine, pilot)
    if state.halted:
        return state
    new = state.model_copy(update={"share": 0.0, "halted": True})
    return _step(
        engine, pilot, "halt", new, challenger, by=by, as_of=as_of, reason=reason, signed_by=signed_by
    )


def resume(
    engine: Engine,
    pilot: Pilot,
    *,
    by: str,
    as_of: datetime,
    reason: str,
    signed_by: Signatory | None = None,
) -> Live:
    """Let a halted challenger begin again: wave 1 opens when the rollout is looked at next. One that is not halted goes on.

    Raises:
        TremplinError: no challenger is on its way.
    """
    state, challenger = _challenged(engine, pilot)
    if not state.halted:
        return state
    new = state.model_copy(update={"halted": False})
    return _step(
        engine, pilot, "resumption", new, challenger, by=by, as_of=as_of, reason=reason, signed_by=signed_by
    )


def promote(
    engine: Engine,
    pilot: Pilot,
    release_id: str,
    *,
    by: str,
    as_of: datetime,
    evidence: dict[str, Any] | None = None,
) -> Live:
    """Make the challenger champion, once its last wave is open. The champion before it stays at hand as ``previous``.

    Raises:
        TremplinError: the release is not the challenger, or not everybody has it yet.
    """
    state = _live(engine, pilot)
    if state.champion == release_id:
        return state
    if state.challenger != release_id or state.share < 1:
        share = f"{state.share:.0%}" if state.challenger == release_id else "none"
        raise TremplinError(
            f"{release_id} cannot become champion of {pilot.name}: it has {share} of the users, not all."
        )
    new = Live(champion=release_id, previous=state.champion)
    reason = f"every wave was passed; {state.champion} stays at hand"
    return _step(
        engine, pilot, "promotion", new, release_id, by=by, as_of=as_of, reason=reason, evidence=evidence
    )


def rollback(
    engine: Engine,
    pilot: Pilot,
    release_id: str,
    *,
    by: str,
    as_of: datetime,
    reason: str,
    evidence: dict[str, Any] | None = None,
    signed_by: Signatory | None = None,
) -> Live:
    """Take a release back: a challenger leaves, a champion makes way for the one before it. Done already, it changes nothing.

    Raises:
        TremplinError: it is the champion and there is none before it, or it never answered anybody.
    """
    state = _live(engine, pilot)
    if release_id == state.challenger:
        new = Live(champion=state.champion, previous=state.previous)
    elif release_id == state.champion:
        if state.previous is None:
            raise TremplinError(
                f"{release_id} is the only release of {pilot.name} there was: stop the server, or release another."
            )
        new = Live(champion=state.previous)
    else:
        taken = journal.entries(engine, pilot=pilot.name, kind="rollback")
        if not any(entry.facts["release"] == release_id for entry in taken):
            raise TremplinError(
                f"{release_id} answers nobody of {pilot.name}: its champion is {state.champion}, its challenger "
                f"{state.challenger or 'none'}. `tremplin status` shows them."
            )
        return state
    return _step(
        engine,
        pilot,
        "rollback",
        new,
        release_id,
        by=by,
        as_of=as_of,
        reason=reason,
        evidence=evidence,
        signed_by=signed_by,
    )


def _live(engine: Engine, pilot: Pilot) -> Live:
    known = settled(engine, pilot.name)
    if known is None:
        raise TremplinError(
            f"Nothing of {pilot.name} is live yet. Make a release first: `tremplin run`, `tremplin approve`."
        )
    return known[1]


def _challenged(engine: Engine, pilot: Pilot) -> tuple[Live, str]:
    state = _live(engine, pilot)
    if state.challenger is None:
        raise TremplinError(
            f"No challenger of {pilot.name} is on its way: its champion {state.champion} answers everybody. "
            "`tremplin rollout rollback` takes a release back."
        )
    return state, state.challenger


def _way(state: Live) -> str:
    return "halted" if state.halted else f"on its way ({state.share:.0%})"


def _identity(pilot: str, kind: str, version: int, release_id: str) -> str:
    """As the journal has it: a step from one version of the row is one fact."""
    return f"{pilot}:{kind}:{version}:{release_id}"


def _step(
    engine: Engine,
    pilot: Pilot,
    kind: str,
    new: Live,
    release_id: str,
    *,
    by: str,
    as_of: datetime,
    reason: str,
    evidence: dict[str, Any] | None = None,
    signed_by: Signatory | None = None,
) -> Live:
    known = current(engine, pilot.name)
    version, before = known or (0, None)
    journal.append(
        engine,
        kind,
        identity=f"{version}:{release_id}",
        pilot=pilot.name,
        by=by,
        as_of=as_of,
        facts={
            "release": release_id,
            "reason": reason,
            "before": before.model_dump() if before else None,
            "after": new.model_dump(),
            "evidence": evidence,
        },
        signed_by=signed_by,
    )
    change(engine, pilot.name, new, by=by, reason=reason)
    return new
