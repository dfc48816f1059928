"""Rows of a database: one query, one transaction, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tremplin.errors import SourceAway, TremplinError
from tremplin.sources import columns as declared
from tremplin.sources.columns import Columns
from tremplin.sources.credentials import from_environment, without
from tremplin.sources.reading import Reading, this_reading
from tremplin.sources.window import require_window

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import URL, Connection
    from sqlalchemy.exc import SQLAlchemyError

CHUNK = 20_000  # rows that are held as Python objects at a time

# A connection that hangs is found within a minute and a half (seconds; libpq's names).
POSTGRES = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 6}

# SQLSTATE classes and codes after which asking again may help: connection, rolled back for another transaction, out of
# resources, stopped by the operator, lock not available (PostgreSQL, appendix A; the classes are the standard's).
PASSING = ("08", "40", "53", "57", "55P03")


def read_sql(
    query: str,
    start: datetime,
    end: datetime,
    *,
    database: str,
    columns: Columns,
    timezone: str | None = None,
) -> pd.DataFrame:
    """The rows of one query over ``[start, end)``.

    All queries of one ``fetch`` to one database are answered from the same state of it: one read-only transaction, repeatable
    read where the database knows it.

    Args:
        query: one SELECT with the parameters ``:start`` and ``:end``. They are bound, never written into the text: aware
            times in UTC, or naive local ones where ``timezone`` is given. SQLite has no times: it gets text such as
            ``2024-05-01 00:00:00+00:00``, to be compared (to the millisecond) as ``julianday(at) >= julianday(:start)``.
        start, end: aware times; ``end`` is not in the window.
        database: name of the environment variable that holds SQLAlchemy's URL, credentials and all.
        columns: the query's columns that are delivered, and their types: string, number, integer, boolean, timestamp.
        timezone: the zone that times without one are local to; None refuses them.

    Raises:
        SourceAway: the database does not answer, or cut the transaction off; asking again may help.
        TremplinError: the variable, the query, a column or a value must be mended by a person.
    """
    import sqlalchemy as sa

    declared.require_columns(columns, timezone)
    require_window(start, end)
    text = sa.text(query)
    if not {"start", "end"} <= set(text.compile().params):
        raise TremplinError(
            "The query does not use both :start and :end, so it would read the whole table whatever the window. "
            "Compare the time of the event with them."
        )
    url = _url(database)
    window = {"start": _bound(start, url, timezone), "end": _bound(end, url, timezone)}
    chunks = [declared.schema(columns).empty_table()]
    with this_reading() as reading, _said_plainly(database, url):
        connection = _connection(reading, url)
        with connection.execute(text, window, execution_options={"stream_results": True}) as result:
            names = list(result.keys())
            if missing := [name for name in columns if name not in names]:
                raise TremplinError(
                    f"The query gives no column {', '.join(missing)}; it gives {', '.join(names)}."
                )
            places = [names.index(name) for name in columns]
            for part in result.partitions(CHUNK):
                values = [[_plain(row[place]) for place in places] for row in part]
                chunks.append(declared.from_python(values, columns, timezone, "the query"))
        import pyarrow as pa

        rows = pa.concat_tables(chunks)
        evidence = {"query": query, **{name: str(value) for name, value in window.items()}}
        reading.note("sql", _shown(url), rows, evidence)
    return declared.to_frame(rows)


def _url(database: str) -> URL:
    import sqlalchemy as sa

    value = from_environment(database, "the SQLAlchemy URL of the database")
    try:
        url = sa.make_url(value)
        url.get_dialect()
    except (sa.exc.ArgumentError, ImportError, ValueError) as error:
        raise TremplinError(
            f"{database} holds no URL that SQLAlchemy can open here ({type(error).__name__}). Write it as "
            "postgresql+psycopg://user:password@host/name, and install its driver."
        ) from None
    if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith("file:"):
        from pathlib import Path

        if url.database != ":memory:" and not Path(url.database).is_file():
            raise TremplinError(f"{database} names the file {url.database}, which is not there.")
    return url


def _connection(reading: Reading, url: URL) -> Connection:
    """The open transaction of this reading, or a new one."""
    import sqlalchemy as sa

    key = url.render_as_string(hide_password=False)
    if key in reading.connections:
        return reading.connections[key]
    backend = url.get_backend_name()
    postgres = backend == "postgresql"
    given = {name: value for name, value in POSTGRES.items() if name not in url.query} if postgres else {}
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=given, hide_parameters=True)
    connection = reading.ends.enter_context(engine.connect())
    if postgres:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
    elif backend == "sqlite":  # Python's driver opens no transaction for a SELECT
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")
    else:
        connection.execution_options(isolation_level="REPEATABLE READ")
    reading.connections[key] = connection
    return connection


def _bound(moment: datetime, url: URL, timezone: str | None) -> datetime | str:
    local = moment.astimezone(ZoneInfo(timezone or "UTC"))
    local = local.replace(tzinfo=None) if timezone else local
    return local.isoformat(" ") if url.get_backend_name() == "sqlite" else local


def _plain(value: Any) -> Any:
    """Keys of the type UUID are text."""
    from uuid import UUID

    return str(value) if isinstance(value, UUID) else value


def _shown(url: URL) -> str:
    """Without user, password and options."""
    import sqlalchemy as sa

    return sa.URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    ).render_as_string()


@contextmanager
def _said_plainly(database: str, url: URL) -> Iterator[None]:
    import sqlalchemy as sa

    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        options = [
            value
            for values in url.query.values()
            for value in ([values] if isinstance(values, str) else values)
        ]
        said = without([str(url.password or ""), *options], error)
        place = f"The database of {database} ({_shown(url)})"
        if _passing(error):
            raise SourceAway(f"{place} does not answer: {said}. Try again later.") from None
        raise TremplinError(f"{place} refuses: {said}. Mend the query or the rights.") from None


def _passing(error: SQLAlchemyError) -> bool:
    """Whether asking again may help."""
    import sqlalchemy as sa

    if not isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, sa.exc.TimeoutError)
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or (state and state.startswith(PASSING)):
        return True
    if state or not isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)):
        return False
    said = str(error.orig)
    if type(error.orig).__module__ == "sqlite3":
        return "locked" in said
    # Without a code, a connection that did not come about. A server that knows neither the user nor the database has
    # answered; asking it again would only lock the account.
    refused = ("authentication failed", "does not exist", "no pg_hba.conf entry", "invalid")
    return not any(sign in said for sign in refused)
