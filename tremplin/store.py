"""The relational store: predictions, outcomes, reviews, the journal and what is live. SQLite or Postgres, one code path."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection, Dialect, Engine

from tremplin.errors import TremplinError
from tremplin.settings import Settings

# How long a Postgres that went away without a word is waited for (libpq's parameters; seconds, the last in milliseconds). Its
# address may lead nowhere for a while, as in Kubernetes, and TCP alone would wait for minutes. The URL may say otherwise.
PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Aware times in, aware UTC times out, also from SQLite, which keeps no time zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: nobody would know which hour it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Give the time its zone back."""
        return (
            None
            if value is None
            else value.replace(tzinfo=UTC)
            if value.tzinfo is None
            else value.astimezone(UTC)
        )


MAKING_TABLES = 7_263_641  # names PostgreSQL's lock among whatever else uses the database; any number

metadata = sa.MetaData()

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("prediction_id", sa.String(36), primary_key=True),
    sa.Column("pilot", sa.String(64), nullable=False),
    sa.Column("release_id", sa.String(64), nullable=False),
    sa.Column(
        "cohort", sa.String(16), nullable=False
    ),  # champion, challenger, or stopped: the fallback rule answered
    sa.Column("key", sa.String(128), nullable=False),  # the contract's key: outcomes are joined on it
    sa.Column("subject", sa.String(128)),
    sa.Column("event_time", UtcDateTime, nullable=False),  # the contract's time: windows are cut on it
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("score", sa.Float(53)),  # a probability, or an amount; none where the row was excluded
    sa.Column("decision", sa.Boolean),  # probability at or above the release's threshold; none of an amount
    sa.Column("excluded", sa.Text),  # why the release does not answer such a row; none where it did
    sa.Column("row", sa.JSON, nullable=False),  # the request's columns, as validated
    sa.Column("review", sa.Text),  # why a person looks at it; none where nobody has to
    sa.Column("traceparent", sa.String(55)),  # the caller's own trace (W3C Trace Context)
    sa.Index("predictions_by_time", "pilot", "event_time"),
    sa.Index("predictions_by_key", "pilot", "key"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("pilot", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("label", sa.Float(53), nullable=False),
    sa.Column("known_at", UtcDateTime, nullable=False),
)

# Beside the outcomes: who sent one that counts. What a flow read from the source has no entry.
outcome_receipts = sa.Table(
    "outcome_receipts",
    metadata,
    sa.Column("pilot", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("by", sa.String(200), nullable=False),  # the caller's identity
    sa.Column("received_at", UtcDateTime, nullable=False),
)

# Outcomes that contradict one that is there: kept for a person to look at, and measured by nobody.
outcomes_set_aside = sa.Table(
    "outcomes_set_aside",
    metadata,
    sa.Column("pilot", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("label", sa.Float(53), primary_key=True),
    sa.Column("by", sa.String(200), primary_key=True),
    sa.Column("known_at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

# What people decided of a prediction. Rows are only added: the highest number of a prediction counts.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("prediction_id", sa.String(36), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("pilot", sa.String(64), nullable=False),
    sa.Column("decision", sa.String(8), nullable=False),  # confirm or override
    sa.Column("value", sa.Float(53)),  # what the person decided instead: 0 or 1, or an amount
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("rating", sa.Integer),  # 1 to 5
    sa.Column("comment", sa.Text),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("idempotency_key", sa.String(200)),
    sa.Index("reviews_by_retry", "by", "idempotency_key"),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.String(200), nullable=False, unique=True),  # the same fact is written once
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("pilot", sa.String(64), nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

live = sa.Table(
    "live",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),  # of all pilots together
    sa.Column("pilot", sa.String(64), nullable=False, index=True),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
)


def open_store(settings: Settings) -> Engine:
    """Connect, and make the tables where they are missing.

    Raises:
        TremplinError: the database does not answer; the message names it without its password.
    """
    url = sa.make_url(settings.store_url.get_secret_value())
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            settings.home.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, connect_args={"timeout": 30}, json_serializer=_json)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        _follow_the_file(engine, url.database or "")
    else:
        limits = {name: value for name, value in PATIENCE.items() if name not in url.query}
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args=limits, json_serializer=_json)
    try:
        if _lacking(engine):
            _complete(engine)
    except sa.exc.SQLAlchemyError as error:
        raise TremplinError(
            f"The store {url.render_as_string(hide_password=True)} does not answer: "
            f"{str(error.__cause__ or error).strip()}. Check TREMPLIN_STORE_URL and that the database is up "
            "and not locked by another program."
        ) from error
    return engine


def _lacking(bind: Engine | Connection) -> bool:
    """Whether a table or a column is not there."""
    asked = sa.inspect(bind)
    return not {*metadata.tables} <= {*asked.get_table_names()} or bool(_new_columns(bind))


def _new_columns(bind: Engine | Connection) -> list[sa.Column[Any]]:
    """Columns that came since an older version made the store; they are all nullable."""
    known = {column["name"] for column in sa.inspect(bind).get_columns(predictions.name)}
    return [column for column in predictions.columns if column.name not in known]


def _complete(engine: Engine) -> None:
    """Make what is not there. One program at a time: several servers may meet an empty database at once."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MAKING_TABLES)))
        metadata.create_all(connection)
        for column in _new_columns(connection):
            kind = column.type.compile(engine.dialect)
            connection.execute(sa.text(f"ALTER TABLE {predictions.name} ADD COLUMN {column.name} {kind}"))
        connection.commit()


def _json(value: Any) -> str:
    """Ten times as fast as ``json.dumps``, which is what logging predictions waits for; times as ISO 8601, NaN as null."""
    return to_json(value, inf_nan_mode="null").decode()  # Postgres refuses NaN


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Write-ahead log: readers do not wait for the writer; one fsync a checkpoint is enough for it."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _follow_the_file(engine: Engine, path: str) -> None:
    """Each transaction is of the file that is there now: of one that was replaced, as where a backup is put back, an open
    connection would go on to write to what no name leads to any more.
    """

    def opened(_connection: Any, record: Any) -> None:
        record.info["file"] = _file(path)

    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != _file(path):
            raise sa.exc.DisconnectionError("another file is there")  # the pool then opens that one

    sa.event.listen(engine, "connect", opened)
    sa.event.listen(engine, "checkout", taken)


def _file(path: str) -> tuple[int, int] | None:
    """What a name leads to; an open file's number is given to no other."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def insert_once(engine: Engine, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Insert rows whose primary key is not there yet, all or none; the number that was new."""
    if not rows:
        return 0
    with engine.begin() as connection:
        # Postgres takes a batch three times as fast as it returns the keys; the driver counts what went in.
        return connection.execute(
            _insert(connection, table), rows, execution_options={"preserve_rowcount": True}
        ).rowcount


def insert_new(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The same within a transaction; the primary keys of those that were new."""
    if not rows:
        return []
    statement = _insert(connection, table).returning(*table.primary_key.columns)
    return [tuple(row) for row in connection.execute(statement, rows)]


def _insert(connection: Connection, table: sa.Table) -> Any:
    """What is there already stays as it is."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()
