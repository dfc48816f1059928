"""A model that is stopped stays what it is, answers nobody, and goes on where it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from pipelines import rollout, stopping
from tremplin import journal, live
from tremplin.errors import TremplinError
from tremplin.live import Live
from tremplin.pilot import Pilot

MACHINE: dict[str, Any] = {"by": "tremplin", "as_of": datetime(2013, 10, 4, tzinfo=UTC)}
PERSON: dict[str, Any] = {**MACHINE, "by": "Camille Laurent", "reason": "the weather service sends nonsense"}


@pytest.fixture
def half_way(engine: Engine, pilot: Pilot) -> Live:
    """A challenger that answers half of the users."""
    for release in ("old", "new"):
        rollout.start_rollout(engine, pilot, release, **MACHINE)
    for wave in (1, 2):
        rollout.open_wave(engine, pilot, "new", wave, **MACHINE)
    return now(engine)


def now(engine: Engine) -> Live:
    known = live.current(engine, "flights")
    assert known is not None
    return known[1]


def kinds(engine: Engine) -> list[str]:
    return [entry.kind for entry in journal.entries(engine)]


def test_it_is_stopped_and_goes_on_where_it_was(engine: Engine, pilot: Pilot, half_way: Live) -> None:
    stopping.stop(engine, pilot, **PERSON)
    assert now(engine) == half_way.model_copy(update={"stopped": PERSON["reason"]})
    stopping.restart(engine, pilot, **PERSON)
    assert now(engine) == half_way
    assert kinds(engine)[-2:] == ["stop", "restart"]
    assert journal.verify(engine) == []


def test_what_is_so_already_is_not_written_again(engine: Engine, pilot: Pilot, half_way: Live) -> None:
    stopping.restart(engine, pilot, **PERSON)
    assert kinds(engine)[-1] == "wave"
    stopping.stop(engine, pilot, **PERSON)
    again = stopping.stop(engine, pilot, **{**PERSON, "reason": "another reason"})
    assert (again.stopped, kinds(engine).count("stop")) == (PERSON["reason"], 1)


@pytest.mark.parametrize(
    "step", ["rollback of the challenger", "rollback of the champion", "promotion", "wave"]
)
def test_no_other_step_lets_it_answer_again(engine: Engine, pilot: Pilot, half_way: Live, step: str) -> None:
    if step in ("rollback of the champion", "promotion"):
        rollout.open_wave(engine, pilot, "new", 3, **MACHINE)
    if step == "rollback of the champion":
        rollout.promote(engine, pilot, "new", **MACHINE)
    stopping.stop(engine, pilot, **PERSON)
    if step.startswith("rollback"):
        rollout.rollback(engine, pilot, "new", **PERSON)
    elif step == "promotion":
        rollout.promote(engine, pilot, "new", **MACHINE)
    else:
        rollout.open_wave(engine, pilot, "new", 3, **MACHINE)
    assert now(engine).stopped == PERSON["reason"]
    assert kinds(engine)[-1] in (step.split(maxsplit=1)[0], "wave", "promotion")


def test_where_nothing_is_live_there_is_nothing_to_stop(engine: Engine, pilot: Pilot) -> None:
    with pytest.raises(TremplinError, match="Nothing of flights is live yet, so there is nothing to stop"):
        stopping.stop(engine, pilot, **PERSON)
