"""Stored rows that cannot be read any more are broken links, not tracebacks: an answer, an outcome, an entry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.governance.served import LINKS, Served, detail
from tests.results import AS_OF
from tremplin.journal import append
from tremplin.store import insert_once, outcomes, predictions


def spoilt(table: str, column: str, value: str) -> Callable[[Served], None]:
    def write(served: Served) -> None:
        with served.engine.begin() as connection:
            connection.exec_driver_sql(f'update {table} set "{column}" = {value}')

    return write


def of_the_row(change: dict[str, object]) -> Callable[[Served], None]:
    """Columns of the logged row; without one where it is None."""

    def write(served: Served) -> None:
        with served.engine.begin() as connection:
            row = connection.execute(sa.select(predictions.c.row)).scalar_one()
            changed = {name: value for name, value in (row | change).items() if value is not None}
            connection.execute(predictions.update().values(row=changed))

    return write


@pytest.mark.parametrize(
    "spoil",
    [
        *(spoilt("predictions", "row", value) for value in ("'garbage'", "'[1]'", "'null'", "'7'", "x'ff'", "'{}'")),
        pytest.param(spoilt("predictions", "row", f"'{'[' * 100_000}'"), id="too deep"),
        spoilt("predictions", "score", "'abc'"),
        spoilt("predictions", "score", "x'00'"),
        spoilt("predictions", "score", "null"),
        spoilt("predictions", "event_time", "'soon'"),
        spoilt("predictions", "received_at", "7"),
        spoilt("predictions", "excluded", "x'00'"),
        spoilt("predictions", "subject", "x'00'"),
        of_the_row({"scheduled_departure": None}),
        of_the_row({"scheduled_departure": "soon"}),
        of_the_row({"recent_delay": "abc"}),
        of_the_row({"recent_delay": [1, 2]}),
        of_the_row({"recent_delay": 10**400}),
        spoilt("predictions", "row", """json_set(row, '$.carrier', json('"\\ud800"'))"""),  # half a character
        of_the_row({"carrier": {"a": 1}}),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_any_more_is_a_broken_link(
    served: Served, spoil: Callable[[Served], None]
) -> None:
    spoil(served)
    found = served.trace()
    assert ([link.name for link in found.links], found.broken) == (LINKS, ["prediction"])
    assert detail(found, "prediction")


@pytest.mark.parametrize("value", ["x'ff'", "'a' || char(0)", "''", "'../..'"])
def test_an_answer_that_does_not_name_its_release_any_more_is_followed_as_far_as_it_goes(
    served: Served, value: str
) -> None:
    spoilt("predictions", "release_id", value)(served)
    found = served.trace()
    assert "release" in found.broken
    assert [link.name for link in found.links] == ["prediction", "release", "outcome"]


@pytest.mark.parametrize(("column", "value"), [("label", "'abc'"), ("known_at", "'soon'")])
def test_an_outcome_that_cannot_be_read_any_more_is_a_broken_link(
    served: Served, column: str, value: str
) -> None:
    with served.engine.connect() as connection:
        key = connection.scalars(sa.select(predictions.c.key)).one()
    insert_once(served.engine, outcomes, [{"pilot": "flights", "key": key, "label": 1.0, "known_at": AS_OF}])
    assert served.trace().unbroken
    spoilt("outcomes", column, value)(served)
    found = served.trace()
    assert found.broken == ["outcome"]
    assert column in detail(found, "outcome")


@pytest.mark.parametrize(("column", "value"), [("facts", "'garbage'"), ("as_of", "'soon'")])
def test_a_journal_that_cannot_be_read_any_more_breaks_the_approval(
    served: Served, column: str, value: str
) -> None:
    spoilt("journal", column, value)(served)
    found = served.trace()
    assert ([link.name for link in found.links], found.broken) == (LINKS, ["approval"])
    assert "entry 2 cannot be read" in detail(found, "approval")


def test_an_entry_of_a_release_that_names_none_is_not_this_ones(served: Served) -> None:
    append(
        served.engine,
        "release",
        identity="none",
        pilot="flights",
        by="Camille Laurent",
        as_of=AS_OF,
        facts={},
    )
    assert served.trace().unbroken
