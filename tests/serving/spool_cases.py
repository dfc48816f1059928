"""What the tests of the spool share: a home, records, workers in processes of their own, and what came into the table."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json

from serving.spool import Drain, Spool
from tests.results import ROOT
from tests.serving.spool_writer import record
from tremplin.settings import Settings
from tremplin.store import open_store, predictions


def append(spool: Spool, *identities: str, **given: Any) -> None:
    """Records one after another, each with its id."""

    async def go() -> None:
        for identity in identities:
            await spool.append(to_json([record(identity, **given)]))

    asyncio.run(go())


def stored(settings: Settings) -> list[str]:
    """Ids in the table, sorted: those of the tests sort as they were appended."""
    engine = open_store(settings)
    with engine.connect() as connection:
        found = list(connection.execute(sa.select(predictions.c.prediction_id)).scalars())
    engine.dispose()
    return sorted(found)


@contextmanager
def draining(settings: Settings) -> Iterator[tuple[Spool, Drain]]:
    """A worker in this process."""
    spool = Spool.open(settings)
    drain = Drain(spool, settings)
    drain.start()
    try:
        yield spool, drain
    finally:
        drain.stop()
        spool.close()


def drain_all(settings: Settings, patience: float = 60) -> Drain:
    """Bring what dead workers left into the table."""
    with draining(settings) as (_, drain):
        assert drain.flush(patience), drain.problem
    return drain


def left_by_the_dead(settings: Settings, *identities: str, **given: Any) -> Path:
    """The segment of a worker that appended, and was killed before it drained."""
    spool = Spool.open(settings)
    append(spool, *identities, **given)
    assert spool.folder is not None
    segment = spool.folder.segment(spool.end.segment)
    spool.close()
    return segment


def writer(settings: Settings, *words: Any, **variables: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own (tests/serving/spool_writer.py); its output is what it acknowledged."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.serving.spool_writer", *map(str, words)],
        cwd=ROOT,
        env=os.environ | environment(settings) | variables,
        stdout=subprocess.PIPE,
    )


def environment(settings: Settings) -> dict[str, str]:
    """The settings that the tests change, as variables."""
    return {
        "TREMPLIN_ROOT": str(settings.root),
        "TREMPLIN_SPOOL": str(settings.spool),
        "TREMPLIN_SPOOL_FSYNC": settings.spool_fsync,
        "TREMPLIN_SPOOL_MAX_MB": str(settings.spool_max_mb),
        "TREMPLIN_STORE_URL": settings.store_url.get_secret_value(),
    }


def whole_lines(output: bytes) -> list[str]:
    """What a killed process had printed whole."""
    return output[: output.rfind(b"\n") + 1].decode().splitlines()


def kept_aside(settings: Settings) -> dict[str, bytes]:
    """What the drain set aside, by kind."""
    return {
        path.suffix: path.read_bytes() for path in (settings.spool / settings.pilot / "set-aside").glob("*")
    }


def ids(count: int, prefix: str = "p") -> list[str]:
    """Ids that sort in their order."""
    return [f"{prefix}{number:06}" for number in range(count)]
