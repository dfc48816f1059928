"""Workers that are killed, databases that go away: every acknowledged record is in the table once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from serving.spool import Drain, Spool
from tests.results import ROOT
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store, predictions

KILLS = int(os.environ.get("TREMPLIN_TEST_KILLS", "2"))


@pytest.fixture
def settings(tmp_path: object) -> Settings:
    """A home of its own."""
    return load_settings(root=tmp_path)


def writer(
    settings: Settings, records: int, appenders: int, *words: str, **variables: str
) -> subprocess.Popen[bytes]:
    """A worker in a process of its own; its output is what it acknowledged."""
    given = {
        "TREMPLIN_ROOT": str(settings.root),
        "TREMPLIN_STORE_URL": settings.store_url.get_secret_value(),
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.serving.spool_writer", str(records), str(appenders), *words],
        cwd=ROOT,
        env=os.environ | given,
        stdout=subprocess.PIPE,
    )


@contextmanager
def drained(settings: Settings, patience: float = 60) -> Iterator[Drain]:
    """What the dead left, in the database."""
    spool = Spool.open(settings)
    drain = Drain(spool, settings)
    drain.start()
    assert drain.flush(patience), drain.problem
    yield drain
    drain.stop()
    spool.close()


def stored(settings: Settings) -> list[str]:
    """Ids in the order in which they came into the table."""
    with open_store(settings).connect() as connection:
        return list(
            connection.execute(sa.select(predictions.c.prediction_id).order_by(sa.text("rowid"))).scalars()
        )


@pytest.mark.parametrize("fsync", ["group", "interval", "never"])
def test_killed_under_load_every_acknowledged_record_is_in_the_table_once(
    settings: Settings, fsync: str
) -> None:
    acknowledged: list[str] = []
    for kill in range(KILLS):
        process = writer(settings, 10**9, 8, "drain", TREMPLIN_SPOOL_FSYNC=fsync)
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().decode().strip())
        time.sleep(0.05 + 0.4 * (kill * 0.618 % 1))
        process.kill()
        rest = process.stdout.read().decode()
        process.wait()
        process.stdout.close()
        acknowledged += rest[: rest.rfind("\n") + 1].split()
    with drained(settings):
        found = stored(settings)
    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    assert [path.name for path in (settings.spool / settings.pilot).iterdir()] == []
