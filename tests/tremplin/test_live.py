"""What is live: cohorts that stick, shares that only add subjects, and a row for each change."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from tremplin.errors import TremplinError
from tremplin.live import Live, change, current, draw
from tremplin.store import live

SUBJECTS = [
    f"{carrier}@{airport}{number}"
    for carrier in ("UA", "B6", "DL")
    for airport in ("EWR", "JFK")
    for number in range(500)
]


def rollout(share: float, key: str = "one") -> Live:
    return Live(champion="a", challenger="b", share=share, rollout_key=key)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_never_moves_a_subject_back(subject: str, first: float, second: float) -> None:
    small, large = sorted((first, second))
    if rollout(small).cohort(subject) == "challenger":
        assert rollout(large).cohort(subject) == "challenger"
    assert rollout(large).cohort(subject) == rollout(large).cohort(subject)
    assert 0 <= draw("one", subject) < 1


@pytest.mark.parametrize("share", [0.15, 0.5])
def test_the_part_of_the_subjects_is_near_the_share(share: float) -> None:
    part = sum(rollout(share).cohort(subject) == "challenger" for subject in SUBJECTS) / len(SUBJECTS)
    assert part == pytest.approx(share, abs=3.5 * (share * (1 - share) / len(SUBJECTS)) ** 0.5)


def test_a_share_of_none_and_of_all() -> None:
    assert {rollout(0).cohort(subject) for subject in SUBJECTS} == {"champion"}
    assert {rollout(1).cohort(subject) for subject in SUBJECTS} == {"challenger"}


def test_another_rollout_draws_others() -> None:
    first = {subject for subject in SUBJECTS if rollout(0.5, "one").cohort(subject) == "challenger"}
    second = {subject for subject in SUBJECTS if rollout(0.5, "two").cohort(subject) == "challenger"}
    assert 0.4 < len(first & second) / len(first) < 0.6


def test_a_cohort_has_its_release() -> None:
    assert rollout(0.5).release("challenger") == "b"
    assert rollout(0.5).release("champion") == "a"
    assert Live(champion="a").release("challenger") == "a"


@pytest.mark.parametrize(
    "given_values",
    [
        {"share": 0.5, "challenger": "b"},
        {"share": 0.5, "rollout_key": "k"},
        {"share": 1.5, "challenger": "b", "rollout_key": "k"},
        {"canary": "b"},
    ],
)
def test_a_state_that_cannot_be_is_refused(given_values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"share|canary"):
        Live.model_validate({"champion": "a", **given_values})


def test_each_change_is_a_row_and_no_change_is_none(engine: Engine) -> None:
    assert current(engine, "flights") is None
    first = change(engine, "flights", Live(champion="a"), by="x", reason="go-live")
    assert change(engine, "flights", Live(champion="a"), by="x", reason="again") == first
    second = change(engine, "flights", rollout(0.15), by="x", reason="wave 1")
    change(engine, "other", Live(champion="z"), by="x", reason="go-live")
    assert second > first
    assert current(engine, "flights") == (second, rollout(0.15))
    third = change(engine, "flights", Live(champion="a"), by="x", reason="rollback")
    assert third > second
    with engine.connect() as connection:
        reasons = (
            connection.execute(sa.select(live.c.reason).where(live.c.pilot == "flights")).scalars().all()
        )
    assert reasons == ["go-live", "wave 1", "rollback"]


@pytest.mark.parametrize("state", ["xx", "[]", "null", '{"champion": "a", "share": 7}'])
def test_a_row_that_says_nothing_that_could_be_live_is_named(engine: Engine, state: str) -> None:
    change(engine, "flights", Live(champion="a"), by="tremplin", reason="…")
    if engine.dialect.name == "postgresql" and state == "xx":
        state = '"xx"'  # it takes nothing but JSON
    with engine.begin() as connection:
        connection.execute(sa.text("update live set state = :state"), {"state": state})
    with pytest.raises(TremplinError, match="What is live of flights cannot be read: the newest row"):
        current(engine, "flights")
