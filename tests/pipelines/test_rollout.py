"""Waves: every step changes what is live once, is written once, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipelines import rollout
from tests.results import AS_OF
from tremplin import journal, live, steps
from tremplin.errors import TremplinError
from tremplin.live import Live
from tremplin.pilot import Pilot

HOW: dict[str, Any] = {"by": "tremplin", "as_of": AS_OF}


@pytest.fixture
def begun(engine: Engine, pilot: Pilot) -> Engine:
    """The release `old` answers, `new` is its challenger."""
    rollout.start_rollout(engine, pilot, "old", **HOW)
    rollout.start_rollout(engine, pilot, "new", **HOW)
    return engine


def state(engine: Engine) -> Live:
    known = live.current(engine, "flights")
    assert known is not None
    return known[1]


def kinds(engine: Engine) -> list[str]:
    return [entry.kind for entry in journal.entries(engine)]


def test_the_first_release_answers_everybody_at_once(engine: Engine, pilot: Pilot) -> None:
    rollout.start_rollout(engine, pilot, "old", **HOW)
    assert state(engine) == Live(champion="old")
    (entry,) = journal.entries(engine)
    assert entry.kind == "go-live"
    assert "no champion to compare with" in entry.facts["reason"]


def test_a_challenger_goes_out_in_waves_and_becomes_champion(begun: Engine, pilot: Pilot) -> None:
    shares = [state(begun).share]
    key = state(begun).rollout_key
    for wave in (1, 2, 3):
        rollout.open_wave(begun, pilot, "new", wave, **HOW, evidence={"wave": wave})
        shares.append(state(begun).share)
        assert rollout.wave_of(pilot, state(begun)) == wave
        assert state(begun).rollout_key == key, "a subject's draw stays the same through the waves"
    assert shares == [0.0, 0.15, 0.5, 1.0]
    rollout.promote(begun, pilot, "new", **HOW)
    assert state(begun) == Live(champion="new", previous="old")
    assert kinds(begun) == ["go-live", "rollout", "wave", "wave", "wave", "promotion"]
    assert journal.entries(begun, kind="wave")[1].facts["evidence"] == {"wave": 2}
    assert journal.verify(begun) == []


def test_each_rollout_draws_its_cohorts_anew(begun: Engine, pilot: Pilot) -> None:
    first = state(begun).rollout_key
    rollout.rollback(begun, pilot, "new", **HOW, reason="worse")
    rollout.start_rollout(begun, pilot, "newer", **HOW)
    assert state(begun).rollout_key not in ("", first)


@pytest.mark.parametrize(
    "step",
    [
        lambda e, p: rollout.start_rollout(e, p, "new", **HOW),
        lambda e, p: rollout.open_wave(e, p, "new", 1, **HOW),
        lambda e, p: rollout.halt(e, p, **HOW, reason="complaints"),
        lambda e, p: rollout.resume(e, p, **HOW, reason="it goes on, halted or not"),
        lambda e, p: rollout.rollback(e, p, "new", **HOW, reason="worse"),
    ],
    ids=["start", "wave", "halt", "resume", "rollback"],
)
def test_a_step_taken_twice_is_written_once(
    begun: Engine, pilot: Pilot, step: Callable[[Engine, Pilot], Live]
) -> None:
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    once, known = step(begun, pilot), live.current(begun, "flights")
    written = kinds(begun)
    assert step(begun, pilot) == once
    assert live.current(begun, "flights") == known
    assert kinds(begun) == written


def test_a_step_cut_short_after_the_journal_is_completed(begun: Engine, pilot: Pilot) -> None:
    """The row of what is live is put back as it was when the program died between the two writes."""
    known = live.current(begun, "flights")
    assert known is not None
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    with begun.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM live WHERE version > {known[0]}")
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    assert state(begun).share == 0.15
    assert kinds(begun).count("wave") == 1


@pytest.mark.parametrize("later", [rollout.halt, rollout.resume])
def test_a_step_cut_short_is_completed_before_any_other(
    begun: Engine, pilot: Pilot, later: Callable[..., Live]
) -> None:
    """What the journal says was decided: whoever comes next, on whichever day, finds it done."""
    known = live.current(begun, "flights")
    assert known is not None
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    with begun.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM live WHERE version > {known[0]}")
    later(begun, pilot, **HOW, reason="another day")
    rows = sa.select(live.live.c.state).order_by(live.live.c.version)
    with begun.connect() as connection:
        shares = [Live.model_validate(row).share for row in connection.scalars(rows)]
    assert shares == [0, 0, 0.15, *([0] if later is rollout.halt else [])]
    assert journal.verify(begun) == []


def test_what_was_settled_stays(begun: Engine, pilot: Pilot) -> None:
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    live.change(begun, "flights", Live(champion="old"), by="a person", reason="by hand")
    assert steps.settled(begun, "flights") == live.current(begun, "flights")
    assert state(begun) == Live(champion="old"), "only a step from the newest row is still to be taken"


def test_no_wave_is_left_out_or_invented(begun: Engine, pilot: Pilot) -> None:
    for wave in (0, 2, 4):
        with pytest.raises(TremplinError, match=f"Wave {wave} cannot be opened: 0 of 3 are open"):
            rollout.open_wave(begun, pilot, "new", wave, **HOW)
    with pytest.raises(TremplinError, match="other is not the challenger of flights"):
        rollout.open_wave(begun, pilot, "other", 1, **HOW)


def test_a_wave_is_not_opened_as_of_a_time_before_the_last_step(begun: Engine, pilot: Pilot) -> None:
    early: dict[str, Any] = {"by": "tremplin", "as_of": AS_OF - timedelta(seconds=1)}
    for wave, step in ((1, "rollout"), (2, "wave")):
        with pytest.raises(TremplinError, match=rf"its {step}, was taken as of 2013-07-01 00:00 UTC"):
            rollout.open_wave(begun, pilot, "new", wave, **early)
        rollout.open_wave(begun, pilot, "new", wave, **HOW)
    assert kinds(begun) == ["go-live", "rollout", "wave", "wave"]


def test_nobody_is_promoted_before_everybody_has_it(begun: Engine, pilot: Pilot) -> None:
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    with pytest.raises(TremplinError, match="new cannot become champion of flights: it has 15% of the users"):
        rollout.promote(begun, pilot, "new", **HOW)
    with pytest.raises(TremplinError, match="other cannot become champion"):
        rollout.promote(begun, pilot, "other", **HOW)


def test_one_challenger_at_a_time(begun: Engine, pilot: Pilot) -> None:
    with pytest.raises(TremplinError, match="The challenger new of flights is on its way"):
        rollout.start_rollout(begun, pilot, "third", **HOW)


def test_halting_gives_everybody_the_champion_and_may_begin_again(begun: Engine, pilot: Pilot) -> None:
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    rollout.halt(begun, pilot, **HOW, reason="complaints at a desk")
    halted = state(begun)
    assert (halted.share, halted.challenger) == (0.0, "new")
    assert {halted.cohort(str(subject)) for subject in range(500)} == {"champion"}
    with pytest.raises(
        TremplinError, match=r"stays halted \(tremplin halted it on 2013-07-01: complaints at a"
    ):
        rollout.open_wave(begun, pilot, "new", 1, **HOW)
    assert state(begun) == halted, "it stays halted until somebody lets it begin again"
    rollout.resume(begun, pilot, **HOW, reason="about another desk")
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    rollout.halt(begun, pilot, **HOW, reason="again")
    assert kinds(begun)[-5:] == ["wave", "halt", "resumption", "wave", "halt"], (
        "a second halt is another fact"
    )


def test_a_challenger_is_halted_before_its_first_wave_too(begun: Engine, pilot: Pilot) -> None:
    rollout.halt(begun, pilot, **HOW, reason="not before the holidays")
    with pytest.raises(TremplinError, match="stays halted"):
        rollout.open_wave(begun, pilot, "new", 1, **HOW)
    with pytest.raises(TremplinError, match="The challenger new of flights is halted"):
        rollout.start_rollout(begun, pilot, "third", **HOW)
    rollout.rollback(begun, pilot, "new", **HOW, reason="given up")
    assert state(begun) == Live(champion="old")


@pytest.mark.parametrize("step", [rollout.halt, rollout.resume])
def test_without_a_challenger_nothing_is_halted_or_resumed(
    engine: Engine, pilot: Pilot, step: Callable[..., Live]
) -> None:
    rollout.start_rollout(engine, pilot, "old", **HOW)
    with pytest.raises(
        TremplinError, match="No challenger of flights is on its way: its champion old answers"
    ):
        step(engine, pilot, **HOW, reason="?")
    assert kinds(engine) == ["go-live"]


def test_rolling_back_a_challenger_leaves_the_champion(begun: Engine, pilot: Pilot) -> None:
    rollout.open_wave(begun, pilot, "new", 1, **HOW)
    rollout.rollback(begun, pilot, "new", **HOW, reason="worse", evidence={"difference": 0.1})
    assert state(begun) == Live(champion="old")
    entry = journal.entries(begun, kind="rollback")[0]
    assert entry.facts["evidence"] == {"difference": 0.1}
    assert entry.facts["before"]["share"] == 0.15


def test_rolling_back_a_champion_brings_the_one_before_back(begun: Engine, pilot: Pilot) -> None:
    for wave in (1, 2, 3):
        rollout.open_wave(begun, pilot, "new", wave, **HOW)
    rollout.promote(begun, pilot, "new", **HOW)
    rollout.rollback(begun, pilot, "new", **HOW, reason="worse in the field")
    assert state(begun) == Live(champion="old")
    rollout.rollback(begun, pilot, "new", **HOW, reason="worse in the field")
    assert state(begun) == Live(champion="old"), "a rerun does not roll back further"
    with pytest.raises(TremplinError, match="other answers nobody of flights: its champion is old"):
        rollout.rollback(begun, pilot, "other", **HOW, reason="?")
    with pytest.raises(TremplinError, match="old is the only release of flights there was"):
        rollout.rollback(begun, pilot, "old", **HOW, reason="?")


def test_before_the_first_go_live_there_is_nothing_to_change(engine: Engine, pilot: Pilot) -> None:
    with pytest.raises(TremplinError, match="Nothing of flights is live yet"):
        rollout.halt(engine, pilot, **HOW, reason="?")
