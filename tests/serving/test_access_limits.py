"""How rows are counted: in this process, in a Redis that several share, and when that Redis is away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access import limits, windows
from serving.access.limits import RateLimits
from serving.access.opening import open_access
from serving.access.windows import Limit, SlidingWindow
from serving.problems import Problem
from tests.redis import Redis, redis
from tremplin.errors import TremplinError
from tremplin.settings import load_settings


class Clock:
    """Stands in for time.monotonic."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(windows.time, "monotonic", one)
    return one


@pytest.mark.parametrize("text", ["1200/minute", "1/second", "5/hour", "7/day"])
def test_a_limit_is_read_and_said(text: str) -> None:
    assert str(Limit.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "0/minute", "many", "5", "5/year", "-1/second", "5 per minute", "5/minute/", "1e3/day"]
)
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="no limit"):
        Limit.parse(text)


asked = st.lists(st.tuples(st.floats(0, 90), st.integers(1, 60)), min_size=1, max_size=60)


@given(asked)
def test_no_window_holds_more_than_twice_the_limit_and_the_wait_is_right(
    steps: list[tuple[float, int]],
) -> None:
    """Whatever the pattern; each refused one fits after the time that it was told, and not a tenth before."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows.time, "monotonic", clock)
        window, let_in = SlidingWindow(Limit(50, 60)), []
        for pause, cost in steps:
            clock.now += pause
            wait = window.take("ada", cost)
            if cost > 50:
                assert wait == float("inf")
                continue
            if wait == 0:
                let_in.append((clock.now, cost))
                continue
            assert 0 < wait <= 120
            clock.now += wait * 0.9 - 0.001
            assert window.wait("ada", cost) > 0
            clock.now += wait * 0.1 + 0.002
            assert window.take("ada", cost) == 0
            let_in.append((clock.now, cost))
        for end, _ in let_in:
            assert sum(cost for at, cost in let_in if end - 60 < at <= end) <= 100


def test_a_steady_caller_gets_the_limit_and_no_more(clock: Clock) -> None:
    window = SlidingWindow(Limit(60, 60))
    let_in = 0
    for _ in range(6000):  # ten a second, for ten minutes
        clock.now += 0.1
        let_in += window.take("ada") == 0
    assert 570 <= let_in <= 660


def test_the_table_is_bounded_and_forgets_who_was_quiet_longest() -> None:
    window = SlidingWindow(Limit(1, 3600), most=100)
    for number in range(500):
        window.take(str(number))
    assert window.take("499") > 0
    assert window.take("0") == 0


def many(limit: Limit, store: str, work: Callable[[RateLimits, RateLimits], Awaitable[None]]) -> None:
    """Two processes' counters, on one store."""

    async def go() -> None:
        one, two = RateLimits(limit, store), RateLimits(limit, store)
        try:
            await work(one, two)
        finally:
            await one.close()
            await two.close()

    asyncio.run(go())


async def taken(counter: RateLimits, times: int, cost: int = 1) -> int:
    """How often it was let do it."""
    let_in = 0
    for _ in range(times):
        with suppress(Problem):
            await counter.take("key:portal", cost)
            let_in += 1
    return let_in


def test_processes_share_a_count_in_redis_and_do_not_in_memory() -> None:
    with redis() as store:

        async def shared(one: RateLimits, two: RateLimits) -> None:
            assert sum(await asyncio.gather(*(taken(counter, 20) for counter in (one, two) * 5))) == 100
            with pytest.raises(Problem) as refused:
                await one.take("key:portal", 1)
            assert 0 < int(refused.value.headers["Retry-After"]) <= 120  # type: ignore[index]
            await two.take("key:other", 100)
            with pytest.raises(Problem, match="send fewer"):
                await two.take("key:third", 101)

        many(Limit(100, 60), store.url, shared)

    async def alone(one: RateLimits, two: RateLimits) -> None:
        assert [await taken(one, 150), await taken(two, 150)] == [100, 100]

    many(Limit(100, 60), "", alone)


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_redis_away_is_counted_in_memory_and_said(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AGAIN", 0.6)
    with redis() as store:

        async def away(one: RateLimits, _two: RateLimits) -> None:
            assert await taken(one, 5) == 5
            go_away(store, how)
            begun = time.monotonic()
            assert await taken(one, 150) == 100
            assert time.monotonic() - begun < 5  # not 150 times the patience
            assert "Each process counts on its own" in one.problem
            come_back(store, how)
            await asyncio.sleep(0.7)
            assert await taken(one, 1) == 1
            assert one.problem == ""

        many(Limit(100, 60), store.url, away)


def go_away(store: Redis, how: str) -> None:
    if how == "killed":
        store.stop()
    else:
        assert store.process
        os.kill(store.process.pid, signal.SIGSTOP)


def come_back(store: Redis, how: str) -> None:
    if how == "killed":
        store.start()
    else:
        assert store.process
        os.kill(store.process.pid, signal.SIGCONT)


def test_a_store_that_is_none_is_refused_without_its_password(tmp_path: Path) -> None:
    wrong = load_settings(
        root=tmp_path, rate_limit="5/minute", rate_limit_store="postgres://user:s3cret@db/1"
    )
    with pytest.raises(TremplinError, match="TREMPLIN_RATE_LIMIT_STORE") as refused:
        open_access(wrong)
    assert "s3cret" not in str(refused.value)
