"""The window is the look: whoever looks at it again, a crash or a day later, decides nothing a second time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Engine

from pipelines.monitoring_runs import journal_decision, retrainings_before
from tests.results import AS_OF
from tremplin import journal

MINUTE, MONTH = timedelta(minutes=1), timedelta(days=31)


def facts(action: str, window: str = "2013-06", release: str = "r1", why: str = "worse") -> dict[str, Any]:
    return {"window": window, "release": release, "action": action, "reasons": [why]}


def kinds(engine: Engine) -> list[str]:
    return [entry.kind for entry in journal.entries(engine)]


def before(engine: Engine, window: str = "2013-06", release: str = "r1", after: timedelta = MONTH) -> int:
    return len(retrainings_before(engine, "flights", window, release, AS_OF + after))


def test_the_same_again_at_another_time_is_one_line(engine: Engine) -> None:
    first = journal_decision(engine, "flights", facts("watch"), as_of=AS_OF)
    assert journal_decision(engine, "flights", facts("watch"), as_of=AS_OF) == first
    assert journal_decision(engine, "flights", facts("watch"), as_of=AS_OF + MINUTE) == first
    assert kinds(engine) == ["monitoring"]


def test_outcomes_that_came_later_may_decide_otherwise_and_lead_to_one_retraining(engine: Engine) -> None:
    journal_decision(engine, "flights", facts("watch", why="not known yet"), as_of=AS_OF)
    decided = journal_decision(engine, "flights", facts("retrain"), as_of=AS_OF + MINUTE)
    assert decided.kind == "retraining"
    for later in (
        facts("retrain"),
        facts("retrain", why="a little worse still"),
        facts("watch", why="held back"),
    ):
        assert journal_decision(engine, "flights", later, as_of=AS_OF + MONTH) == decided
    assert kinds(engine) == ["monitoring", "retraining"]


def test_a_retraining_does_not_hold_back_the_look_that_decided_it(engine: Engine) -> None:
    journal_decision(engine, "flights", facts("retrain"), as_of=AS_OF)
    assert before(engine) == 0
    assert before(engine, window="2013-07") == before(engine, release="r2") == 1
    assert before(engine, window="2013-07", after=timedelta(0)) == 0, "only what came before it counts"


def test_other_windows_and_releases_are_looks_of_their_own(engine: Engine) -> None:
    for said in (facts("watch"), facts("watch", window="2013-07"), facts("watch", release="r2")):
        journal_decision(engine, "flights", said, as_of=AS_OF)
    assert kinds(engine) == ["monitoring"] * 3


def test_what_was_decided_later_is_not_known_before(engine: Engine) -> None:
    journal_decision(engine, "flights", facts("retrain"), as_of=AS_OF)
    earlier = journal_decision(engine, "flights", facts("wait", why="nothing yet"), as_of=AS_OF - MINUTE)
    assert earlier.kind == "monitoring"
