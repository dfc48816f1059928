"""Rows of a database: the window's, in their types, of one state, or none. Real PostgreSQL and SQLite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from tests.postgres import postgres
from tremplin.api import TremplinError, read_sql
from tremplin.errors import SourceAway
from tremplin.sources.reading import reading

START, END = datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
COLUMNS: dict[str, Any] = {
    "id": "string", "at": "timestamp", "age": "number", "flickers": "integer", "wet": "boolean",
}  # fmt: skip
POSTGRES_ALONE = "set time zone 'UTC'; create sequence counter;"
POSTGRES_ROWS = """
    create table checks (id text, at timestamptz, local timestamp, age numeric(9, 2), flickers bigint, wet boolean);
    set time zone 'UTC'; create sequence counter;
    insert into checks values
        ('early', '2024-03-29 23:59:59.99', '2024-03-30 00:59:59.99', 1, 1, true),
        ('first', '2024-03-30 00:00', '2024-03-30 01:00', 0.10, 9007199254740993, false),
        ('empty', '2024-03-30 12:00', '2024-03-30 13:00', null, null, null),
        ('summer', '2024-03-31 22:30', '2024-04-01 00:30', 2.50, 3, true),
        ('end', '2024-04-01 00:00', '2024-04-01 02:00', 1, 1, true);
"""
SQLITE_ROWS = re.sub(r"(', '2024[^']*)'", r"\1+00:00'", POSTGRES_ROWS.replace(POSTGRES_ALONE, ""))
QUERIES = {
    "postgresql": "select * from checks where at >= :start and at < :end order by at",
    "sqlite": "select * from checks where julianday(at) >= julianday(:start) and julianday(at) < julianday(:end) order by at",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(POSTGRES_ROWS)
        yield url


@pytest.fixture
def postgresql(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAMPS_DB", server)
    return server


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    connection = sqlite3.connect(tmp_path / "lamps.db")
    connection.execute("pragma journal_mode = wal").close()
    connection.executescript(SQLITE_ROWS)
    connection.close()
    url = f"sqlite:///{tmp_path / 'lamps.db'}"
    monkeypatch.setenv("LAMPS_DB", url)
    return url


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def query_of(url: str) -> str:
    return QUERIES[sa.make_url(url).get_backend_name()]


def execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_the_window_holds_its_start_and_not_its_end_and_types_are_kept(database: str) -> None:
    rows = read_sql(query_of(database), START, END, database="LAMPS_DB", columns=COLUMNS)
    assert rows["id"].tolist() == ["first", "empty", "summer"]
    assert rows["at"].tolist() == [
        pd.Timestamp(text, tz="UTC") for text in ("2024-03-30 00:00", "2024-03-30 12:00", "2024-03-31 22:30")
    ]
    assert rows.dtypes.astype(str).tolist() == ["str", "datetime64[us, UTC]", "float64", "Int64", "boolean"]
    assert rows["age"].tolist()[::2] == [0.1, 2.5]
    assert rows["flickers"].tolist()[0] == 9007199254740993  # no float holds it
    assert rows["wet"].tolist()[::2] == [False, True]
    assert rows.loc[1, ["age", "flickers", "wet"]].isna().all()


def test_a_window_without_rows_has_its_columns_and_types(database: str) -> None:
    rows = read_sql(query_of(database), datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC),
                    database="LAMPS_DB", columns=COLUMNS)  # fmt: skip
    assert rows.dtypes.astype(str).tolist() == ["str", "datetime64[us, UTC]", "float64", "Int64", "boolean"]
    assert rows.empty


def test_local_times_are_refused_until_their_zone_is_named(postgresql: str) -> None:
    query = "select id, local from checks where local >= :start and local < :end order by local"
    columns: dict[str, Any] = {"id": "string", "local": "timestamp"}
    with pytest.raises(
        TremplinError, match=r"column local is not a timestamp: its times have no zone.*timezone="
    ):
        read_sql(query, START, END, database="LAMPS_DB", columns=columns)
    rows = read_sql(query, START, END, database="LAMPS_DB", columns=columns, timezone="Europe/Paris")
    # The clock went forward between `empty` and `summer`: one hour from UTC before, two after.
    assert rows["id"].tolist() == ["first", "empty", "summer"]
    assert rows["local"].tolist()[::2] == [
        pd.Timestamp("2024-03-30 00:00Z"),
        pd.Timestamp("2024-03-31 22:30Z"),
    ]


@pytest.mark.parametrize("hour", ["2024-10-27 02:30", "2024-03-31 02:30"])
def test_a_local_hour_that_exists_twice_or_never_is_not_guessed(postgresql: str, hour: str) -> None:
    query = f"select timestamp '{hour}' as local where :start < :end"
    with pytest.raises(TremplinError, match="A local hour that exists twice or never must be decided"):
        read_sql(
            query, START, END, database="LAMPS_DB", columns={"local": "timestamp"}, timezone="Europe/Paris"
        )


def test_all_queries_of_one_fetch_see_one_state_of_the_database(database: str) -> None:
    def count() -> int:
        return len(read_sql(query_of(database), START, END, database="LAMPS_DB", columns=COLUMNS))

    with reading(None):
        before = count()
        execute(database, "insert into checks (id, at) values ('later', '2024-03-30 15:00:00+00:00')")
        assert count() == before
    assert count() == before + 1
    execute(database, "delete from checks where id = 'later'")


def test_rows_come_through_a_cursor_of_the_server(postgresql: str) -> None:
    rows = read_sql("select statement from pg_cursors where :start < :end", START, END,
                    database="LAMPS_DB", columns={"statement": "string"})  # fmt: skip
    assert len(rows) == 1


def test_more_rows_than_a_chunk_are_all_delivered(postgresql: str) -> None:
    query = "select n from generate_series(1, 50001) n where :start < :end"
    rows = read_sql(query, START, END, database="LAMPS_DB", columns={"n": "integer"})
    assert rows["n"].sum() == 50_001 * 50_002 / 2


def test_a_source_cannot_change_the_database(database: str) -> None:
    deletes = {
        "postgresql": "select nextval('counter')::text as id where :start < :end",
        "sqlite": "delete from checks where :start < :end returning id",
    }[sa.make_url(database).get_backend_name()]
    with pytest.raises(TremplinError, match=r"refuses: .*(read-only|readonly)"):
        read_sql(deletes, START, END, database="LAMPS_DB", columns={"id": "string"})
    assert len(read_sql(query_of(database), START, END, database="LAMPS_DB", columns=COLUMNS)) == 3


@pytest.mark.parametrize(
    ("query", "columns", "said"),
    [
        ("select * from checks where at >= :start", COLUMNS, "does not use both :start and :end"),
        ("select id from checks where at >= :start and at < :end", COLUMNS, "gives no column at, age, flickers, wet; it"),
        ("select id from lamps where :start < :end", {"id": "string"}, r'refuses: .*relation "lamps" does not exist'),
        ("select id from checks where :start < :end", {"id": "number"}, "column id is not a number: Failed to parse"),
        ("select 2 as wet where :start < :end", {"wet": "boolean"}, "column wet is not a boolean: a number other than 0 and 1"),
        ("select 1.5 as n where :start < :end", {"n": "integer"}, "column n is not a integer"),
        ("select 7 as at where :start < :end", {"at": "timestamp"}, "column at is not a timestamp: the source delivers int"),
        ("select id from checks where :start < :end", {"id": "text"}, "'text' is not a type; write one of string, number"),
    ],
)  # fmt: skip
def test_what_a_person_must_mend_is_named(postgresql: str, query: str, columns: Any, said: str) -> None:
    with pytest.raises(TremplinError, match=said) as refused:
        read_sql(query, START, END, database="LAMPS_DB", columns=columns)
    assert not isinstance(refused.value, SourceAway)


def test_a_transaction_that_was_cut_off_may_be_asked_again(postgresql: str) -> None:
    query = "select pg_terminate_backend(pg_backend_pid()) as wet where :start < :end"
    with pytest.raises(SourceAway, match="does not answer"):
        read_sql(query, START, END, database="LAMPS_DB", columns={"wet": "boolean"})


def test_a_locked_sqlite_may_be_asked_again(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPS_DB", f"{sqlite}?timeout=0.05")
    with sqlite3.connect(sqlite.removeprefix("sqlite:///")) as holder:
        holder.execute("pragma journal_mode = delete").close()
        holder.execute("begin exclusive")
        with pytest.raises(SourceAway, match="database is locked"):
            read_sql(QUERIES["sqlite"], START, END, database="LAMPS_DB", columns=COLUMNS)
    holder.close()


@pytest.mark.parametrize(
    ("url", "away", "said"),
    [
        (None, False, "LAMPS_DB is not set; it holds the SQLAlchemy URL"),
        ("nonsense hunter2", False, "LAMPS_DB holds no URL that SQLAlchemy can open"),
        ("oracle+nobody://u:hunter2@h/x", False, "LAMPS_DB holds no URL that SQLAlchemy can open"),
        ("sqlite:////nowhere/lamps.db", False, "names the file /nowhere/lamps.db, which is not there"),
        ("postgresql+psycopg://ada:hunter2@127.0.0.1:1/x", True, "127.0.0.1:1/x. does not answer: .*refused"),
        ("postgresql+psycopg://ada:h@127.0.0.1:1/x?sslpassword=hunter2&bad=hunter2", False, "refuses"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_credentials(
    url: str | None, away: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAMPS_DB", raising=False)
    if url:
        monkeypatch.setenv("LAMPS_DB", url)
    with pytest.raises(TremplinError, match=said) as refused:
        read_sql(QUERIES["postgresql"], START, END, database="LAMPS_DB", columns=COLUMNS)
    assert isinstance(refused.value, SourceAway) is away
    assert "hunter2" not in str(refused.value)
    assert "ada" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_an_unknown_user_is_not_tried_again(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPS_DB", server.replace("tremplin@", "nobody:hunter2@"))
    with pytest.raises(TremplinError, match='role "nobody" does not exist') as refused:
        read_sql(QUERIES["postgresql"], START, END, database="LAMPS_DB", columns=COLUMNS)
    assert not isinstance(refused.value, SourceAway)


def test_the_origin_names_the_database_the_query_and_the_rows(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMPS_DB", postgresql.replace("tremplin@", "tremplin:hunter2@"))
    with reading(None) as opened:
        for _ in range(2):
            read_sql(QUERIES["postgresql"], START, END, database="LAMPS_DB", columns=COLUMNS)
        read_sql(QUERIES["postgresql"] + " desc", START, END, database="LAMPS_DB", columns=COLUMNS)
    first, again, other = opened.origins
    assert first == again
    assert first.sha256 != other.sha256  # the same rows in another order
    assert (first.kind, first.rows, first.address) == ("sql", 3, "postgresql+psycopg:///postgres")
    assert first.evidence["query"] == QUERIES["postgresql"]
    assert "hunter2" not in repr(opened.origins)


@pytest.mark.parametrize(("start", "said"), [(datetime(2024, 3, 30), "no time zone"), (END, "is empty")])  # noqa: DTZ001
def test_a_window_without_zone_or_length_is_refused(sqlite: str, start: datetime, said: str) -> None:
    with pytest.raises(TremplinError, match=said):
        read_sql(QUERIES["sqlite"], start, END, database="LAMPS_DB", columns=COLUMNS)
