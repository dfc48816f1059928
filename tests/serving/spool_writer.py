"""A worker that appends and drains, in a process of its own: prints the id of each record once it is acknowledged.

    python -m tests.serving.spool_writer RECORDS APPENDERS [drain]

Settings come from the environment. A record that is refused is printed as ``refused REASON``; the appender goes on with the next.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from typing import Any

from pydantic_core import to_json

from serving.spool import Drain, Spool, SpoolFailed
from tremplin.settings import load_settings


def record(identity: str, **given: Any) -> dict[str, Any]:
    """A row of the table predictions as serving writes it."""
    time = "2013-07-01T12:00:00Z"
    return {
        "prediction_id": identity, "pilot": "flights", "release_id": "r", "cohort": "champion", "key": "k", "subject": None,
        "event_time": time, "received_at": time, "score": 0.25, "decision": False, "excluded": None, "row": {"né": 1},
    } | given  # fmt: skip


async def appending(spool: Spool, numbers: itertools.count[int], records: int) -> None:
    """One caller after another."""
    padding = int(os.environ.get("WRITER_PADDING", "0"))  # bytes
    while (number := next(numbers)) < records:
        identity = f"{os.getpid()}-{number}"
        try:
            await spool.append(to_json([record(identity, row={"text": "x" * padding})]))
        except SpoolFailed as error:
            os.write(1, f"refused {error}\n".encode())
            await asyncio.sleep(0.01)
        else:
            os.write(1, f"{identity}\n".encode())


async def main(records: int, appenders: int, *, draining: bool) -> None:
    """Append that many records, so many at a time."""
    settings = load_settings()
    spool = Spool.open(settings)
    drain = Drain(spool, settings)
    if draining:
        drain.start()
    numbers = itertools.count()
    await asyncio.gather(*(appending(spool, numbers, records) for _ in range(appenders)))
    if draining:
        drain.stop()
    spool.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), draining="drain" in sys.argv))
