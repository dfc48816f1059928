"""Two who change what is live at once: one is written after the other, each decided from what the other left."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from pipelines import rollout
from tests.results import ROOT
from tremplin import journal, live, steps
from tremplin.errors import TremplinError
from tremplin.live import Live
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store

AS_OF = datetime(2013, 10, 4, tzinfo=UTC)
MACHINE: dict[str, Any] = {"by": "tremplin", "as_of": AS_OF}
PERSON: dict[str, Any] = {"by": "Camille Laurent", "as_of": AS_OF, "reason": "complaints at a desk"}

STEPS: dict[str, Callable[[Engine, Pilot], Live]] = {
    "wave 2": lambda engine, pilot: rollout.open_wave(engine, pilot, "new", 2, **MACHINE),
    "promotion": lambda engine, pilot: rollout.promote(engine, pilot, "new", **MACHINE),
    "halt": lambda engine, pilot: rollout.halt(engine, pilot, **PERSON),
    "rollback": lambda engine, pilot: rollout.rollback(engine, pilot, "new", **PERSON),
}


def store(home: Path) -> Engine:
    settings: Settings = load_settings(root=ROOT, home=home)
    return open_store(settings)


def on_its_way(home: Path, pilot: Pilot, waves: int) -> Engine:
    """A challenger with so many waves open."""
    engine = store(home)
    rollout.start_rollout(engine, pilot, "old", **MACHINE)
    rollout.start_rollout(engine, pilot, "new", **MACHINE)
    for wave in range(1, waves + 1):
        rollout.open_wave(engine, pilot, "new", wave, **MACHINE)
    return engine


def one_after_the_other(engine: Engine) -> None:
    """The written steps are a chain, at whose end is what is live."""
    taken = [entry for entry in journal.entries(engine) if entry.kind in steps.STEPS]
    for before, after in pairwise(taken):
        assert after.facts["before"] == before.facts["after"], f"{before.kind}, then {after.kind}"
    known = live.current(engine, "flights")
    assert known is not None
    assert known[1].model_dump() == taken[-1].facts["after"]
    assert journal.verify(engine) == []


def step_at(home: Path, name: str, moment: float) -> str:
    """In a process of its own: take a step at a moment of the clock; what was refused."""
    engine, pilot = store(home), load_pilot("flights", ROOT)
    steps.settled(engine, pilot.name)  # everything is imported and connected
    time.sleep(max(0.0, moment - time.time()))
    try:
        STEPS[name](engine, pilot)
    except TremplinError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("waves", "machine", "person"),
    [(1, "wave 2", "halt"), (1, "wave 2", "rollback"), (3, "promotion", "halt")],
)
def test_a_persons_step_is_never_lost_to_one_of_the_machine(
    tmp_path: Path, pilot: Pilot, waves: int, machine: str, person: str
) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        for time_and_again in range(8):
            home = tmp_path / str(time_and_again)
            engine = on_its_way(home, pilot, waves)
            at = time.time() + (2 if time_and_again == 0 else 0.1)  # the first time they import everything
            of_machine, of_person = (processes.submit(step_at, home, name, at) for name in (machine, person))
            refused = of_person.result()
            of_machine.result()
            one_after_the_other(engine)
            known = live.current(engine, "flights")
            assert known is not None
            if machine == "promotion":  # a champion is not on its way: who was first decides
                assert (known[1].champion == "new") == ("No challenger" in refused)
                assert known[1].halted == (refused == "")
            else:
                assert refused == ""
                assert (known[1].halted or known[1].challenger is None, known[1].share) == (True, 0)
            engine.dispose()


@pytest.mark.parametrize("moment", ["before it is written", "after it is written"])
@pytest.mark.parametrize("meanwhile", ["halt", "rollback"])
def test_a_step_that_another_overtook_is_decided_again(
    tmp_path: Path, pilot: Pilot, monkeypatch: pytest.MonkeyPatch, moment: str, meanwhile: str
) -> None:
    """The promotion stands still in the middle, and a person's step is taken there."""
    engine = on_its_way(tmp_path, pilot, 3)
    module, name = (journal, "append") if moment == "before it is written" else (steps, "change")
    whole = getattr(module, name)

    def stands_still(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(module, name, whole)
        if moment == "before it is written":
            STEPS[meanwhile](engine, pilot)
        else:  # what was written was decided: the other finds it done
            assert rollout.rollback(engine, pilot, "new", **PERSON) == Live(champion="old")
        return whole(*given, **named)

    monkeypatch.setattr(module, name, stands_still)
    if moment == "before it is written":
        with pytest.raises(TremplinError, match="cannot become champion"):
            STEPS["promotion"](engine, pilot)
    else:
        STEPS["promotion"](engine, pilot)
    known = live.current(engine, "flights")
    assert known is not None
    assert known[1].champion == "old"
    one_after_the_other(engine)
