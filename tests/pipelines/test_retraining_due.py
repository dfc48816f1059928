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


def write(engine: Engine, kind: str, identity: str, days: int = 0) -> journal.Entry:
    as_of = AS_OF + timedelta(days=days)
    return journal.append(
        engine, kind, identity=identity, pilot="flights", by="a test", as_of=as_of, facts={"window": identity}
    )


def test_it_is_due_until_a_verdict_came_of_it(decided: Engine) -> None:
    write(decided, "verdict", "of another model, beside it", days=-1)
    for as_of in (AS_OF, LATER):  # when it was decided, or with the windows after that
        due = retraining_due(decided, "flights", as_of)
        assert due is not None
        assert (due.as_of, due.facts["window"]) == (AS_OF, "decided")
    write(decided, "verdict", "of the retraining")
    assert retraining_due(decided, "flights", LATER) is None


def test_one_due_after_another(decided: Engine) -> None:
    write(decided, "verdict", "of the first")
    write(decided, "retraining", "again", days=20)
    due = retraining_due(decided, "flights", LATER)
    assert due is not None
    assert due.facts["window"] == "again"


def test_nothing_is_due_before_it_was_decided_or_for_others(decided: Engine) -> None:
    assert retraining_due(decided, "flights", AS_OF - timedelta(days=1)) is None
    assert retraining_due(decided, "support", LATER) is None
