"""The spool as its caller sees it: what is acknowledged, what is refused and why, what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic_core import to_json

from serving.spool import Drain, Spool, SpoolFailed
from serving.spool import spool as spool_module
from tests.serving.spool_cases import append, drain_all, draining, ids, kept_aside, left_by_the_dead, stored
from tests.serving.spool_writer import record
from tremplin.settings import Settings, load_settings
from tremplin.store import insert_once, open_store, predictions

BREAK = "create trigger broken before insert on predictions begin select raise(abort, 'broken'); end"
MEND = "drop trigger broken"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of its own; no power fails here."""
    return load_settings(root=tmp_path, spool_fsync="never")


@pytest.fixture(params=["group", "interval", "never"])
def each_setting(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    return load_settings(root=tmp_path, spool_fsync=request.param)


def test_what_is_appended_comes_into_the_table_as_it_was(each_setting: Settings) -> None:
    sent = record(
        "a",
        score=0.1 + 0.2,
        row={"né": [1, None, "\x00"], "b": 1e300},
        event_time="2013-07-01T14:00:00+02:00",
    )
    with draining(each_setting) as (spool, drain):
        asyncio.run(spool.append(to_json([sent, record("b")])))
        assert drain.flush(30)
        assert (drain.drained, spool.appended, spool.depth, spool.oldest) == (2, 1, 0, None)
    with open_store(each_setting).connect() as connection:
        found = connection.execute(sa.select(predictions).where(predictions.c.prediction_id == "a")).one()
    assert found.event_time == datetime(2013, 7, 1, 12, tzinfo=UTC)
    assert (found.score, found.row) == (0.1 + 0.2, sent["row"])
    assert list((each_setting.spool / each_setting.pilot).iterdir()) == [], (
        "nothing lies about once it is drained"
    )


def test_a_group_is_written_together_and_one_who_left_does_not_hold_up_the_others(tmp_path: Path) -> None:
    settings = load_settings(root=tmp_path, spool_fsync="group")
    spool = Spool.open(settings)

    async def go() -> list[object]:
        tasks = [asyncio.create_task(spool.append(to_json([record(one)]))) for one in ids(200)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    ended = asyncio.run(go())
    assert [isinstance(one, asyncio.CancelledError) for one in ended] == [
        place % 3 == 0 for place in range(200)
    ]
    assert [one for one in ended if one is not None and not isinstance(one, asyncio.CancelledError)] == []
    assert spool.appended == 200
    assert spool.groups < 20
    spool.close()
    drain_all(settings)
    assert stored(settings) == ids(200), "what was written for a caller who left is kept too"


def test_depth_and_age_of_what_waits(settings: Settings) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    spool = Spool.open(settings)
    append(spool, *ids(3))
    assert spool.depth == 3
    assert spool.oldest is not None
    assert before < spool.oldest < datetime.now(UTC) + timedelta(seconds=1)
    assert spool.disk_bytes > 3 * 200
    spool.close()


def test_nothing_is_taken_once_it_is_closed(each_setting: Settings) -> None:
    spool = Spool.open(each_setting)
    spool.close()
    with pytest.raises(SpoolFailed, match="stopping"):
        append(spool, "a")


def test_the_limit_refuses_with_the_reason_and_goes_away_when_the_drain_follows(settings: Settings) -> None:
    settings = settings.model_copy(update={"spool_max_mb": 8})
    spool = Spool.open(settings)
    big = {"row": {"text": "x" * 100_000}}
    kept = 0
    while not spool.problem:
        with contextlib.suppress(SpoolFailed):
            asyncio.run(spool.append(to_json([record(ids(1000)[kept], **big)])))
            kept += 1
    with pytest.raises(SpoolFailed, match=r"8 MiB, TREMPLIN_SPOOL_MAX_MB"):
        append(spool, "refused")
    assert 60 < kept < 84
    assert spool.disk_bytes <= 8 * 2**20
    assert spool.problem
    assert spool.failures == 2
    drain = Drain(spool, settings)
    drain.start()
    assert drain.flush(30)
    wait_until(lambda: spool.problem is None)
    append(spool, "z")
    assert drain.flush(30)
    drain.stop()
    spool.close()
    assert stored(settings) == [*ids(kept), "z"]


def test_a_segment_that_is_drained_is_deleted_and_an_old_one_ends_by_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_SECONDS", 0.5)
    with draining(settings) as (spool, drain):
        append(spool, "a")
        assert spool.folder is not None
        assert spool.folder.segments() == [1]
        wait_until(lambda: spool.folder is not None and spool.folder.segments() == [2])
        append(spool, "b")
        assert drain.flush(30)
    assert stored(settings) == ["a", "b"]


def test_rows_that_the_database_refuses_are_set_aside_and_hold_up_nobody(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with draining(settings) as (spool, drain):
        append(spool, *ids(5))
        asyncio.run(
            spool.append(
                to_json(
                    [record("no-row", row=None), record("refused", key=None, subject="Mme X"), record("q")]
                )
            )
        )
        asyncio.run(spool.append(b"not JSON"))
        asyncio.run(spool.append(to_json([record("odd") | {"unknown": "Mme X"}])))
        asyncio.run(spool.append(to_json([record("naive", event_time="2013-07-01T12:00:00")])))
        append(spool, *ids(5, "r"))
        assert drain.flush(30)
    assert [one for one in stored(settings) if one != "no-row"] == [*ids(5), "q", *ids(5, "r")]
    assert drain.set_aside == 4
    assert set(kept_aside(settings)) == {".row", ".payload"}
    reasons = [
        json.loads(path.read_bytes())["reason"]
        for path in (settings.spool / settings.pilot / "set-aside").glob("*.row")
    ]
    assert any("key" in reason for reason in reasons)
    assert any("no time zone" in reason for reason in reasons)
    assert "refused" in caplog.text
    assert "Mme X" not in caplog.text, "the log names the prediction and nothing of it"


def test_a_table_that_is_broken_is_no_reason_to_set_rows_aside(settings: Settings) -> None:
    engine = open_store(settings)
    with engine.begin() as connection:
        connection.execute(sa.text(BREAK))
    with draining(settings) as (spool, drain):
        append(spool, *ids(3))
        wait_until(lambda: drain.problem is not None)
        assert not drain.flush(0.5)
        assert drain.set_aside == 0
        with engine.begin() as connection:
            connection.execute(sa.text(MEND))
        assert drain.flush(30)
    engine.dispose()
    assert stored(settings) == ids(3)


def test_a_record_of_an_older_version_lacks_columns_and_is_taken(settings: Settings) -> None:
    old = {name: value for name, value in record("a").items() if name not in {"excluded", "decision"}}
    with draining(settings) as (spool, drain):
        asyncio.run(spool.append(to_json([old])))
        assert drain.flush(30)
    assert stored(settings) == ["a"]


def test_what_is_there_already_stays_and_repeating_is_harmless(settings: Settings) -> None:
    segment = left_by_the_dead(settings, *ids(3))
    copy = segment.read_bytes()
    moment = datetime(2013, 7, 1, tzinfo=UTC)
    insert_once(
        open_store(settings),
        predictions,
        [record(ids(1)[0], cohort="first", event_time=moment, received_at=moment)],
    )
    assert drain_all(settings).drained == 2
    segment.parent.mkdir()
    segment.write_bytes(copy)
    assert drain_all(settings).drained == 0
    assert stored(settings) == ids(3)


def test_trouble_is_told_once_and_its_end_too(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    engine = open_store(settings)
    with engine.begin() as connection:
        connection.execute(sa.text(BREAK))
    with draining(settings) as (spool, drain):
        append(spool, "secret-1")
        time.sleep(1.5)
        with engine.begin() as connection:
            connection.execute(sa.text(MEND))
        assert drain.flush(30)
    engine.dispose()
    assert len([one for one in caplog.messages if "wait in the spool" in one]) == 1
    assert len([one for one in caplog.messages if "reach the database again" in one]) == 1
    assert "secret-1" not in caplog.text


def test_a_folder_of_a_living_worker_is_nobody_elses(settings: Settings) -> None:
    living = Spool.open(settings)
    append(living, *ids(3))
    drain_all(settings)
    assert stored(settings) == []
    assert living.depth == 3
    living.close()
    drain_all(settings)
    assert stored(settings) == ids(3)


def test_a_stray_file_stops_nothing(settings: Settings) -> None:
    segment = left_by_the_dead(settings, *ids(3))
    (segment.parent / "notes.spool").write_text("hello")
    (segment.parent.parent / "README").write_text("hello")
    drain_all(settings)
    assert stored(settings) == ids(3)


def wait_until(true: object, patience: float = 20) -> None:
    """Wait for something that happens by itself."""
    assert callable(true)
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, os.getpid()
        time.sleep(0.02)
