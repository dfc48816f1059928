"""The journal: a fact once, in a chain in which any change is found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tremplin.journal import FIRST, Entry, append, entries, verify
from tremplin.store import journal

AS_OF = datetime(2013, 7, 1, tzinfo=UTC)


def write(engine: Engine, identity: str, **facts: object) -> Entry:
    return append(
        engine, "verdict", identity=identity, pilot="flights", by="somebody", as_of=AS_OF, facts=facts
    )


@pytest.fixture
def three(engine: Engine) -> Engine:
    for number in range(3):
        write(engine, f"v{number}", value=number, text="é")
    return engine


def test_each_entry_follows_the_one_before(three: Engine) -> None:
    found = entries(three)
    assert [entry.number for entry in found] == [1, 2, 3]
    assert [entry.previous_hash for entry in found] == [FIRST, found[0].hash, found[1].hash]
    assert all(entry.hash == entry.expected_hash() for entry in found)
    assert found[2].facts == {"value": 2, "text": "é"}
    assert verify(three) == []


def test_the_same_fact_again_writes_nothing_and_gives_what_is_there(three: Engine) -> None:
    again = write(three, "v1", value="another")
    assert (again.number, again.facts["value"]) == (2, 1)
    assert len(entries(three)) == 3


def test_facts_of_any_kind_verify_after_they_were_read_back(engine: Engine) -> None:
    zone = ZoneInfo("America/New_York")
    written = append(
        engine, "approval", identity="a", pilot="flights", by="x", as_of=datetime(2013, 7, 1, 12, 0, 0, 5, tzinfo=zone),
        facts={"nan": float("nan"), "when": AS_OF, "many": [1, 2.5, None], "deep": {"b": 1, "a": 2}},
    )  # fmt: skip
    [found] = entries(engine)
    assert found == written
    assert found.facts["nan"] is None
    assert verify(engine) == []


def test_entries_are_found_by_pilot_and_kind(three: Engine) -> None:
    append(three, "halt", identity="h", pilot="other", by="x", as_of=AS_OF, facts={})
    assert [entry.pilot for entry in entries(three, pilot="other")] == ["other"]
    assert len(entries(three, kind="verdict")) == 3
    assert entries(three, pilot="other", kind="verdict") == []


@pytest.mark.parametrize(
    "change",
    [
        {"facts": {"value": 9}},
        {"by": "another"},
        {"as_of": datetime(2012, 1, 1, tzinfo=UTC)},
        {"kind": "approval"},
    ],
)
def test_a_changed_entry_is_found(three: Engine, change: dict[str, object]) -> None:
    with three.begin() as connection:
        connection.execute(sa.update(journal).where(journal.c.number == 2).values(**change))
    [problem] = verify(three)
    assert problem.startswith("entry 2 (")
    assert problem.endswith("was changed after it was written")


def test_a_change_that_mends_its_own_hash_is_found_by_the_next_entry(three: Engine) -> None:
    second = entries(three)[1]
    forged = Entry(**{**second.__dict__, "facts": {"value": 9}})
    with three.begin() as connection:
        values = {"facts": forged.facts, "hash": forged.expected_hash()}
        connection.execute(sa.update(journal).where(journal.c.number == 2).values(**values))
    assert verify(three) == ["entry 3 does not follow the one before it"]


def test_a_removed_entry_is_found(three: Engine) -> None:
    with three.begin() as connection:
        connection.execute(sa.delete(journal).where(journal.c.number == 2))
    assert verify(three) == [
        "entry 2 is missing (the next one is 3)",
        "entry 3 does not follow the one before it",
    ]


def test_writers_at_once_lose_nothing(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write(engine, f"w{number % 12}", value=number % 12), range(24)))
    assert sorted(entry.facts["value"] for entry in entries(engine)) == list(range(12))
    assert verify(engine) == []


def record_at(engine: Engine, number: int, moment: datetime) -> None:
    """What an owner of the database does: another date, and every hash from there on made right."""
    previous = FIRST
    for entry in entries(engine):
        moved = {"recorded_at": moment} if entry.number == number else {}
        draft = Entry(**{**entry.__dict__, **moved, "previous_hash": previous})
        previous = draft.expected_hash()
        values = {"recorded_at": draft.recorded_at, "previous_hash": draft.previous_hash, "hash": previous}
        with engine.begin() as connection:
            connection.execute(sa.update(journal).where(journal.c.number == entry.number).values(**values))


@pytest.mark.parametrize(("minutes", "found"), [(4, False), (6, True), (4 * 24 * 60, True)])
def test_an_entry_that_was_dated_back_is_found(three: Engine, minutes: int, found: bool) -> None:
    record_at(three, 3, entries(three)[1].recorded_at - timedelta(minutes=minutes))
    problems = verify(three)
    assert bool(problems) is found
    if found:
        assert problems[0].startswith("entry 3 (verdict) says that it was recorded on ")
        assert problems[0].endswith("it was dated back, or a clock was wrong")


def test_dates_do_not_creep_back_in_small_steps(three: Engine) -> None:
    first = entries(three)[0].recorded_at
    record_at(three, 2, first - timedelta(minutes=4))
    record_at(three, 3, first - timedelta(minutes=8))
    [problem] = verify(three)
    assert problem.startswith("entry 3 ")


@pytest.mark.parametrize("facts", ["null", "[1]", "3", '"x"', "false"])
def test_facts_that_are_no_object_are_changed_even_with_a_hash_of_their_own(
    three: Engine, facts: str
) -> None:
    with three.begin() as connection:
        connection.exec_driver_sql(f"update journal set facts = '{facts}' where number = 3")
    third = entries(three)[2]
    with three.begin() as connection:
        values = {"hash": third.expected_hash()}
        connection.execute(sa.update(journal).where(journal.c.number == 3).values(**values))
    assert verify(three) == ["entry 3 (verdict) was changed after it was written"]
