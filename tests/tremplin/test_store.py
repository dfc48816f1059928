"""The store: times with their zone, facts written once, errors that name the database and not its password."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from tremplin.errors import TremplinError
from tremplin.settings import load_settings
from tremplin.store import insert_once, metadata, open_store, outcomes, predictions

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


def outcome(key: str, label: float = 1.0, known_at: datetime = NOON) -> dict[str, object]:
    return {"pilot": "flights", "key": key, "label": label, "known_at": known_at}


def test_a_fact_is_written_once_and_the_first_stays(engine: Engine) -> None:
    assert insert_once(engine, outcomes, []) == 0
    assert insert_once(engine, outcomes, [outcome("a"), outcome("b")]) == 2
    assert insert_once(engine, outcomes, [outcome("b", 0.0), outcome("c")]) == 1
    with engine.connect() as connection:
        found = {row.key: row.label for row in connection.execute(sa.select(outcomes))}
    assert found == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_a_time_comes_back_as_the_same_moment_in_utc(engine: Engine) -> None:
    insert_once(
        engine,
        outcomes,
        [outcome("a", known_at=datetime(2013, 7, 1, 8, tzinfo=ZoneInfo("America/New_York")))],
    )
    with engine.connect() as connection:
        found = connection.execute(sa.select(outcomes.c.known_at)).scalar_one()
        before = connection.execute(sa.select(outcomes.c.key).where(outcomes.c.known_at < NOON)).all()
    assert found == NOON
    assert found.tzinfo is UTC
    assert before == []


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    naive = datetime(2013, 7, 1, 12)  # noqa: DTZ001  (what is tested)
    with pytest.raises(sa.exc.StatementError, match="2013-07-01 12:00:00 has no time zone"):
        insert_once(engine, outcomes, [outcome("a", known_at=naive)])
    with engine.connect() as connection:
        assert connection.execute(sa.select(outcomes)).all() == []


def test_a_row_comes_back_as_it_was_sent_and_nan_as_nothing(engine: Engine) -> None:
    row = {"temp": 39.02, "seats": float("nan"), "carrier": "UA", "overdue": 4, "né": True}
    answer = {
        "prediction_id": "1", "pilot": "flights", "release_id": "r", "cohort": "champion", "key": "k", "subject": None,
        "event_time": NOON, "received_at": NOON, "score": 0.1 + 0.2, "decision": False, "row": row,
    }  # fmt: skip
    assert insert_once(engine, predictions, [answer]) == 1
    with engine.connect() as connection:
        found = connection.execute(sa.select(predictions)).one()
    assert found.row == {**row, "seats": None}
    assert found.score == 0.1 + 0.2
    assert found.decision is False


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    settings = load_settings(root=tmp_path)
    insert_once(open_store(settings), outcomes, [outcome("a")])
    assert insert_once(open_store(settings), outcomes, [outcome("a")]) == 0
    assert (tmp_path / ".tremplin" / "store.db").exists()


def url_of(engine: Engine) -> SecretStr:
    return SecretStr(engine.url.render_as_string(hide_password=False))


def test_many_who_meet_an_empty_database_at_once_all_get_its_tables(engine: Engine, tmp_path: Path) -> None:
    settings = load_settings(root=tmp_path, store_url=url_of(engine))
    for _attempt in range(5):
        metadata.drop_all(engine)
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(open_store, [settings] * 8))
        for one in opened:
            assert {*metadata.tables} <= {*sa.inspect(one).get_table_names()}
            one.dispose()


def test_a_store_of_an_older_version_gets_the_columns_that_came_since(engine: Engine, tmp_path: Path) -> None:
    row = {
        "prediction_id": "p", "pilot": "flights", "release_id": "r", "cohort": "champion", "key": "k", "event_time": NOON,
        "received_at": NOON, "row": {},
    }  # fmt: skip
    insert_once(engine, predictions, [row])
    with engine.begin() as connection:
        for name in ("review", "traceparent"):
            connection.execute(sa.text(f"ALTER TABLE predictions DROP COLUMN {name}"))
    again = open_store(load_settings(root=tmp_path, store_url=url_of(engine)))
    insert_once(again, predictions, [{**row, "prediction_id": "q", "review": "why"}])
    with again.connect() as connection:
        found = connection.execute(
            sa.select(predictions.c.review).order_by(predictions.c.prediction_id)
        ).scalars()
        assert list(found) == [None, "why"]
    again.dispose()


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    url = SecretStr("postgresql+psycopg://tremplin:s3cret@127.0.0.1:1/tremplin")
    with pytest.raises(TremplinError, match="does not answer") as caught:
        open_store(load_settings(root=tmp_path, store_url=url))
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1:1/tremplin" in str(caught.value)
    assert "TREMPLIN_STORE_URL" in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / ".tremplin").mkdir()
    (tmp_path / ".tremplin" / "store.db").write_bytes(b"not a database" * 100)
    with pytest.raises(TremplinError, match=r"store\.db does not answer: file is not a database"):
        open_store(load_settings(root=tmp_path))


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    engine = open_store(load_settings(root=tmp_path))
    with sqlite3.connect(tmp_path / ".tremplin" / "store.db") as other:
        other.execute("BEGIN IMMEDIATE")
        with engine.connect() as connection:
            assert connection.execute(sa.select(outcomes)).all() == []  # readers never wait
        other.rollback()
    other.close()
    assert insert_once(engine, outcomes, [outcome("a")]) == 1


def test_sqlite_is_read_and_written_where_its_name_leads_now(tmp_path: Path) -> None:
    settings, other = load_settings(root=tmp_path), load_settings(root=tmp_path / "other")
    engine = open_store(settings)
    insert_once(engine, outcomes, [outcome("a")])
    with engine.connect() as first, engine.connect() as second:  # two connections lie open
        assert first is not second
    elsewhere = open_store(other)
    insert_once(elsewhere, outcomes, [outcome("b")])
    elsewhere.dispose()
    for path in settings.home.glob("store.db-*"):  # as SQLite wants it of whoever puts a backup back
        path.unlink()
    (other.home / "store.db").replace(settings.home / "store.db")
    for _ in range(2):
        with engine.connect() as first, engine.connect() as second:
            for connection in (first, second):
                assert connection.execute(sa.select(outcomes.c.key)).scalars().all() == ["b"]
    insert_once(engine, outcomes, [outcome("c")])
    with sqlite3.connect(settings.home / "store.db") as plain:
        assert plain.execute("select key from outcomes order by key").fetchall() == [("b",), ("c",)]
    plain.close()
