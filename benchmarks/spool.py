"""What one append to the spool costs, for each setting and number of concurrent callers; JSON on stdout.

A record is 700 bytes, one row of `flights` or so. Nothing drains it. ``disk`` is what one fdatasync takes alone.

    python -m benchmarks.spool [FOLDER]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.machine import machine
from serving.spool import Spool
from serving.spool.spool import Fsync

SETTINGS: tuple[Fsync, ...] = ("group", "interval", "never")
CALLERS = (1, 16, 64)
SECONDS = 1.0
ROUNDS = 3
RECORD = os.urandom(700)


def main() -> None:
    """Measure each, interleaved, and print the medians."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    measured: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for fsync in SETTINGS:
            for callers in CALLERS:
                with tempfile.TemporaryDirectory(dir=folder) as made:
                    found = uvloop.run(appending(Path(made), fsync, callers))
                measured.setdefault(f"{fsync} {callers}", []).append(found)
    figures = {
        name: {figure: round(median(one[figure] for one in rounds), 2) for figure in rounds[0]}
        for name, rounds in measured.items()
    }
    print(
        json.dumps(
            {"machine": machine(), "disk": {"fdatasync_us": fdatasync_us(folder)}, **figures}, indent=1
        )
    )


async def appending(folder: Path, fsync: Fsync, callers: int) -> dict[str, float]:
    """Callers that append one record after another; wall and processor time of one append in µs, and records a group."""
    spool = Spool(folder, fsync=fsync, limit=2**34)
    end = time.perf_counter() + SECONDS

    async def caller() -> None:
        while time.perf_counter() < end:
            for _ in range(10):
                await spool.append(RECORD)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    taken, used = time.perf_counter() - begun, time.process_time() - cpu
    kept, groups = spool.appended, spool.groups
    spool.close()
    return {
        "us_per_append": 1e6 * taken / kept,
        "cpu_us_per_append": 1e6 * used / kept,
        "appends_per_second": kept / taken,
        "latency_us": 1e6 * taken / kept * callers,
        "records_per_group": kept / groups,
    }


def fdatasync_us(folder: Path | None) -> int:
    """Median time of one write and fdatasync, in µs."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(200):
            begun = time.perf_counter()
            file.write(RECORD)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return round(1e6 * median(times))


if __name__ == "__main__":
    main()
