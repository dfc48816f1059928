"""The spool at full length: fifty kills under load, and a database that is away for ten minutes at 300 requests a second.

``TREMPLIN_TEST_KILLS`` and ``TREMPLIN_TEST_AWAY_SECONDS`` make it shorter.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
from pydantic_core import to_json

from serving.spool import Spool
from tests.serving.spool_cases import drain_all, draining, ids, stored, whole_lines, writer
from tests.serving.spool_writer import record
from tremplin.settings import load_settings

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("TREMPLIN_TEST_KILLS", "50"))
AWAY = float(os.environ.get("TREMPLIN_TEST_AWAY_SECONDS", "600"))
RATE = 300  # requests a second
ROW = {f"feature_{number}": number * 1.5 for number in range(25)}  # about as long as one of `flights`
BYTES = 1000  # of disk that a request of one such row may take


@pytest.mark.parametrize("fsync", ["group", "interval", "never"])
def test_workers_killed_again_and_again_under_load(tmp_path: Path, fsync: str) -> None:
    """Two workers at a time, killed together at another moment each time; their successors take over what they left."""
    settings = load_settings(root=tmp_path, spool_fsync=fsync)
    acknowledged: list[str] = []
    for kill in range(KILLS):
        workers = [writer(settings, 10**9, 8, "drain") for _ in range(2)]
        for worker in workers:
            assert worker.stdout is not None
            acknowledged.append(worker.stdout.readline().decode().strip())
        time.sleep(0.5 * (kill * 0.618 % 1))
        for worker in workers:
            worker.kill()
        for worker in workers:
            acknowledged += whole_lines(worker.communicate()[0])
    drain = drain_all(settings, 600)
    found = stored(settings)
    assert len(acknowledged) > 2 * KILLS
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    assert drain.damaged == 0
    assert drain.set_aside == 0


def test_the_database_away_while_requests_go_on(tmp_path: Path) -> None:
    settings = load_settings(root=tmp_path)
    names = ids(int(AWAY * RATE))
    with draining(settings) as (spool, drain):
        assert drain.flush(60)
        other = sqlite3.connect(settings.home / "store.db", isolation_level=None)
        other.execute("begin immediate")
        before = psutil.Process().memory_info().rss
        asyncio.run(at_rate(spool, names))
        grown = psutil.Process().memory_info().rss - before
        assert spool.problem is None
        assert spool.depth == len(names)
        assert spool.disk_bytes < len(names) * BYTES
        assert grown < 20 * 2**20
        other.execute("rollback")
        assert drain.flush(600)
        found = [row[0] for row in other.execute("select prediction_id from predictions order by rowid")]
        other.close()
    assert found == names, "all, and in order"


async def at_rate(spool: Spool, names: list[str]) -> None:
    """One request each, in batches of a tenth of a second."""
    for start in range(0, len(names), RATE // 10):
        batch = names[start : start + RATE // 10]
        next_at = time.monotonic() + 0.1
        await asyncio.gather(*(spool.append(to_json([record(name, row=ROW)])) for name in batch))
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
