"""Waves: how a release reaches its users, and how it is taken back. Each step changes the row of what is live, and is written
(``tremplin.steps``). Calling a step that is already done changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.journal import Signatory
from tremplin.live import Live
from tremplin.pilot import Pilot
from tremplin.steps import STEPS, Known, decided_again, last_step, settled, take


@decided_again
def start_rollout(engine: Engine, pilot: Pilot, release_id: str, *, by: str, as_of: datetime) -> Live:
    """Make a release the challenger, with no share yet. The first release of all becomes champion at once: it has nobody to meet.

    Raises:
        TremplinError: another challenger is on its way.
    """
    known = settled(engine, pilot.name)
    if known is None:
        reason = "first go-live: there is no champion to compare with, so it answers everybody at once"
        first = Live(champion=release_id)
        return take(
            engine, pilot.name, "go-live", None, first, release=release_id, by=by, as_of=as_of, reason=reason
        )
    state = known[1]
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
    return take(
        engine, pilot.name, "rollout", known, new, release=release_id, by=by, as_of=as_of, reason=reason
    )


@decided_again
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
        TremplinError: the release is not the challenger, a person halted it, a wave would be left out, or ``as_of`` is before
            the step that this one follows.
    """
    known = _live(engine, pilot)
    state, waves = known[1], pilot.file.rollout.waves
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
    refuse_before_last_step(engine, pilot, release_id, as_of)
    new = state.model_copy(update={"share": waves[wave - 1]})
    reason = f"wave {wave} of {len(waves)}: {waves[wave - 1]:.0%} of the users"
    return take(
        engine, pilot.name, "wave", known, new, release=release_id, by=by, as_of=as_of, reason=reason,
        evidence=evidence,
    )  # fmt: skip


def refuse_before_last_step(engine: Engine, pilot: Pilot, release_id: str, as_of: datetime) -> None:
    """A rollout is looked at as of a time at which its last step had been taken.

    Raises:
        TremplinError: ``as_of`` is before it.
    """
    own = (e for e in reversed(journal.entries(engine, pilot=pilot.name)) if e.kind in STEPS)
    last = next((e for e in own if e.facts["release"] == release_id), None)
    if last and as_of < last.as_of:
        raise TremplinError(
            f"The last step of {release_id}, its {last.kind}, was taken as of {last.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
            f"after {as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC: nothing of it was known then. Name a later --as-of, or take "
            "the release back (`tremplin rollout rollback`)."
        )


def wave_of(pilot: Pilot, state: Live) -> int:
    """How many waves are open; 0 before the first."""
    return sum(1 for share in pilot.file.rollout.waves if share <= state.share)


def wave_opened(engine: Engine, pilot: Pilot, release_id: str) -> datetime | None:
    """When the open wave of a release was opened; None before its first."""
    waves = journal.entries(engine, pilot=pilot.name, kind="wave")
    return next((entry.as_of for entry in reversed(waves) if entry.facts["release"] == release_id), None)


@decided_again
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
    known, challenger = _challenged(engine, pilot)
    state = known[1]
    if state.halted:
        return state
    new = state.model_copy(update={"share": 0.0, "halted": True})
    return take(
        engine, pilot.name, "halt", known, new, release=challenger, by=by, as_of=as_of, reason=reason,
        signed_by=signed_by,
    )  # fmt: skip


@decided_again
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
    known, challenger = _challenged(engine, pilot)
    state = known[1]
    if not state.halted:
        return state
    new = state.model_copy(update={"halted": False})
    return take(
        engine, pilot.name, "resumption", known, new, release=challenger, by=by, as_of=as_of, reason=reason,
        signed_by=signed_by,
    )  # fmt: skip


@decided_again
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
    known = _live(engine, pilot)
    state = known[1]
    if state.champion == release_id:
        return state
    if state.challenger != release_id or state.share < 1:
        share = f"{state.share:.0%}" if state.challenger == release_id else "none"
        raise TremplinError(
            f"{release_id} cannot become champion of {pilot.name}: it has {share} of the users, not all."
        )
    new = Live(champion=release_id, previous=state.champion, stopped=state.stopped)
    reason = f"every wave was passed; {state.champion} stays at hand"
    return take(
        engine, pilot.name, "promotion", known, new, release=release_id, by=by, as_of=as_of, reason=reason,
        evidence=evidence,
    )  # fmt: skip


@decided_again
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
    known = _live(engine, pilot)
    state = known[1]
    if release_id == state.challenger:
        new = Live(champion=state.champion, previous=state.previous, stopped=state.stopped)
    elif release_id == state.champion:
        if state.previous is None:
            raise TremplinError(
                f"{release_id} is the only release of {pilot.name} there was: stop the server, or release another."
            )
        new = Live(champion=state.previous, stopped=state.stopped)
    else:
        taken = journal.entries(engine, pilot=pilot.name, kind="rollback")
        if not any(entry.facts["release"] == release_id for entry in taken):
            raise TremplinError(
                f"{release_id} answers nobody of {pilot.name}: its champion is {state.champion}, its challenger "
                f"{state.challenger or 'none'}. `tremplin status` shows them."
            )
        return state
    return take(
        engine, pilot.name, "rollback", known, new, release=release_id, by=by, as_of=as_of, reason=reason,
        evidence=evidence, signed_by=signed_by,
    )  # fmt: skip


def _live(engine: Engine, pilot: Pilot) -> Known:
    known = settled(engine, pilot.name)
    if known is None:
        raise TremplinError(
            f"Nothing of {pilot.name} is live yet. Make a release first: `tremplin run`, `tremplin approve`."
        )
    return known


def _challenged(engine: Engine, pilot: Pilot) -> tuple[Known, str]:
    known = _live(engine, pilot)
    state = known[1]
    if state.challenger is None:
        raise TremplinError(
            f"No challenger of {pilot.name} is on its way: its champion {state.champion} answers everybody. "
            "`tremplin rollout rollback` takes a release back."
        )
    return known, state.challenger


def _way(state: Live) -> str:
    return "halted" if state.halted else f"on its way ({state.share:.0%})"
