"""A decision to retrain is told with every window until a verdict came of it: no crash loses it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from pipelines.flows import retraining_due
from tests.results import AS_OF
from tremplin import journal

LATER = AS_OF + timedelta(days=30)


@pytest.fixture
def decided(engine: Engine) -> Engine:
    write(engine, "verdict", "first", days=-60)
    write(engine, "retraining", "decided")
    return engine


def write(engine: Engine, kind: str, identity: str, days: int = 0, *, due: bool = False) -> journal.Entry:
    as_of = AS_OF + timedelta(days=days)
    facts = {"window": identity} | ({"retraining": due} if kind == "verdict" else {})
    return journal.append(
        engine, kind, identity=identity, pilot="flights", by="a test", as_of=as_of, facts=facts
    )


def test_it_is_due_until_a_verdict_came_of_it(decided: Engine) -> None:
    for as_of in (AS_OF, LATER):  # when it was decided, or with the windows after that
        due = retraining_due(decided, "flights", as_of)
        assert due is not None
        assert (due.as_of, due.facts["window"]) == (AS_OF, "decided")
    write(decided, "verdict", "of the retraining", due=True)
    assert retraining_due(decided, "flights", LATER) is None


@pytest.mark.parametrize("days", [-1, 0, 1, 25])
def test_what_somebody_trains_beside_it_leaves_it_due(decided: Engine, days: int) -> None:
    write(decided, "verdict", "of a colleague's experiment", days)
    assert retraining_due(decided, "flights", LATER) is not None


def test_what_came_of_an_earlier_one_leaves_it_due(decided: Engine) -> None:
    write(decided, "verdict", "of the first", due=True)
    write(decided, "retraining", "again", days=20)
    due = retraining_due(decided, "flights", LATER)
    assert due is not None
    assert due.facts["window"] == "again"
    write(decided, "verdict", "of the second", days=20, due=True)
    assert retraining_due(decided, "flights", LATER) is None


def test_nothing_is_due_before_it_was_decided_or_for_others(decided: Engine) -> None:
    assert retraining_due(decided, "flights", AS_OF - timedelta(days=1)) is None
    assert retraining_due(decided, "support", LATER) is None
