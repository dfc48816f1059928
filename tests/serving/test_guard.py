"""A server halts a challenger by itself where it fails, is slow or answers something else, and lets an honest one go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from serving.guard import Guard
from serving.live_watch import LiveWatch, State
from serving.metrics import Metrics
from tremplin import journal
from tremplin.live import Live, change, current
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.steps import STEPS
from tremplin.store import open_store

ROWS = 600


def with_guard(**limits: float) -> dict[str, Callable[[bytes], bytes]]:
    def edit(sheet: bytes) -> bytes:
        return json.dumps({**json.loads(sheet), "guard": {"minimum_rows": 100, **limits}}).encode()

    return {"service.json": edit}


def half_way(settings: Settings, champion: Release, challenger: Release) -> None:
    live = Live(champion=champion.id, challenger=challenger.id, share=0.5, rollout_key="wave")
    change(open_store(settings), settings.pilot, live, by="test", reason="wave")


@pytest.fixture
def state(release_factory: Any, settings: Settings) -> State:
    half_way(settings, *(release_factory(settings.releases, threshold=t) for t in (0.33, 0.4)))
    watch = LiveWatch(settings, Metrics())
    watch.poll()
    assert watch.state is not None
    return watch.state


@pytest.fixture
def rows_read(state: State, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = state.champion.batch.validate_json(to_json({"rows": rows}))["rows"]
    return [state.champion.blank | row for row in read] * (ROWS // len(rows))


def fed(state: State, rows: list[dict[str, Any]], *, shift: float = 0.0, seconds: float = 1e-4) -> Guard:
    """A guard whose challenger answered as the champion would, shifted, in so many seconds a row."""
    guard = Guard()
    guard.objection(state)  # from now on
    scores = [min(1.0, score + shift) for score in state.champion.scores(rows)]
    for start in range(0, len(rows), 50):
        part = slice(start, start + 50)
        keys = [f"{number}" for number in range(start, start + len(rows[part]))]
        guard.answered(keys, rows[part], scores[part], seconds * len(rows[part]))
    return guard


def test_an_honest_challenger_goes_on(state: State, rows_read: list[dict[str, Any]]) -> None:
    for shift in (0.0, 0.1):
        assert fed(state, rows_read, shift=shift).objection(state) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shift": 0.3}, "of the range from the champion's on the same"),
        ({"seconds": 0.06}, "a row takes 60.0 ms"),
    ],
)
def test_one_that_is_far_from_the_champion_or_slow_is_objected_to(
    state: State, rows_read: list[dict[str, Any]], given: dict[str, float], said: str
) -> None:
    assert said in (fed(state, rows_read, **given).objection(state) or "")
    assert fed(state, rows_read[:400], **given).objection(state) is None, "too few rows to say"


@pytest.mark.parametrize(("failed", "objected"), [(3, False), (30, True)])
def test_one_that_fails_is_objected_to(
    state: State, rows_read: list[dict[str, Any]], *, failed: int, objected: bool
) -> None:
    guard = fed(state, rows_read)
    guard.failed(failed)
    assert ("had no answer for" in (guard.objection(state) or "")) is objected


def test_a_wave_that_begins_again_is_judged_by_what_it_answers_then(
    state: State, rows_read: list[dict[str, Any]]
) -> None:
    guard = fed(state, rows_read, shift=0.3)
    assert guard.objection(replace(state, version=state.version + 1)) is None


def test_a_row_that_is_sent_often_counts_once(state: State, rows_read: list[dict[str, Any]]) -> None:
    guard = fed(state, rows_read)
    for _ in range(2000):
        guard.answered(["again"], rows_read[:1], [1.0], 1e-4)
    assert guard.objection(state) is None


def test_a_server_halts_it_within_seconds_and_writes_why(
    release_factory: Any, serve: Any, settings: Settings, rows: list[dict[str, Any]]
) -> None:
    champion = release_factory(settings.releases, threshold=0.33)
    slow = release_factory(settings.releases, threshold=0.4, edit=with_guard(latency_ms=1e-6))
    engine = open_store(settings)
    half_way(settings, champion, slow)
    server = serve()
    assert "challenger" in cohorts(server.url, rows)
    for _ in range(100):
        cohorts(server.url, rows)
        known = current(engine, "flights")
        if known and known[1].halted:
            break
        time.sleep(0.05)
    assert known is not None
    assert (known[1].share, known[1].halted, known[1].challenger) == (0.0, True, slow.id)
    assert cohorts(server.url, rows) == {"champion"}
    assert "tremplin_guarded_total 1.0" in httpx.get(f"{server.url}/metrics").text
    steps = [entry for entry in journal.entries(engine) if entry.kind in STEPS]
    assert [(entry.kind, entry.by) for entry in steps] == [("guard", "tremplin")]
    assert "a row takes" in steps[0].facts["reason"]
    assert journal.verify(engine) == []


def test_with_the_limits_of_the_charter_it_lets_a_real_one_go_on(
    release_factory: Any, serve: Any, settings: Settings, rows: list[dict[str, Any]]
) -> None:
    half_way(
        settings, *(release_factory(settings.releases, threshold=t, edit=with_guard()) for t in (0.33, 0.4))
    )
    server = serve()
    for _ in range(5):
        assert cohorts(server.url, rows) == {"champion", "challenger"}
        time.sleep(0.1)
    assert "tremplin_guarded_total 0.0" in httpx.get(f"{server.url}/metrics").text


def cohorts(url: str, rows: list[dict[str, Any]]) -> set[str]:
    answers = httpx.post(f"{url}/predict", json={"rows": rows}).json()["predictions"]
    return {answer["cohort"] for answer in answers}
