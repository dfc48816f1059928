"""What was answered: on this disk before the answer leaves, in the store soon after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.spool import Drain, Spool, SpoolFailed
from tremplin.settings import Settings

SETTLING = 2.0  # seconds that a reader waits for what was just answered
LOOK, LONGEST_LOOK = 0.005, 0.1  # seconds between its looks
LAST_MOVE = 10.0  # seconds, at the end, for what is not in the store yet; what is left waits on the disk


class PredictionLog(Collector):
    """The spool of this worker and its drain, and what Prometheus reads of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool: Spool | None = None  # None until the start
        self._drain: Drain | None = None

    @property
    def problem(self) -> str | None:
        """Why nothing can be kept now, or None."""
        return self._spool.problem if self._spool else "starting"

    def start(self) -> None:
        """Open the spool, and move on what is in it; what dead workers left, too."""
        self._spool = Spool.open(self._settings)
        self._drain = Drain(self._spool, self._settings)
        self._drain.start()

    def close(self) -> None:
        """Move what can be moved, and end."""
        if self._spool and self._drain:
            self._drain.flush(LAST_MOVE)
            self._drain.stop()
            self._spool.close()

    async def append(self, record: bytes) -> None:
        """Keep what one request was answered: a JSON list, an object a row with the columns of the table ``predictions``.

        Raises:
            SpoolFailed: it was not kept.
        """
        if self._spool is None:
            raise SpoolFailed("The server is starting.")
        await self._spool.append(record)

    async def settle(self) -> bool:
        """Whether the store has all that was answered before, of this worker and of dead ones; waits for it a little."""
        if self._drain is None:
            return False
        reached, pause, clock = self._drain.ask(), LOOK, asyncio.get_running_loop().time
        until = clock() + SETTLING
        while not (settled := reached()) and clock() < until:
            await asyncio.sleep(pause)  # in no thread: those who wait must not take those of who asks
            pause = min(2 * pause, LONGEST_LOOK)
        return settled

    @property
    def depth(self) -> int:
        """Answered requests of this worker that are not in the store yet."""
        return self._spool.depth if self._spool else 0

    @property
    def trouble(self) -> str | None:
        """Why nothing reaches the store now, or None."""
        return self._drain.problem if self._drain else None

    def collect(self) -> Iterator[Metric]:
        """Asked at each scrape."""
        spool, drain = self._spool, self._drain
        if spool is None or drain is None:
            return
        oldest = spool.oldest
        lag = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily(
            "tremplin_spool_depth", "Answered requests that are not in the store yet", spool.depth
        )
        yield GaugeMetricFamily(
            "tremplin_spool_bytes", "Disk that the spool of this worker takes", spool.disk_bytes
        )
        yield GaugeMetricFamily(
            "tremplin_log_lag_seconds", "Age of the oldest answer that is not in the store", lag
        )
        yield GaugeMetricFamily(
            "tremplin_unreadable_folders",
            "Spools of dead workers that cannot be read; the log names them",
            len(drain.unreadable),
        )
        for name, documentation, value in (
            ("tremplin_spool_appended", "Requests whose answers were kept in the spool", spool.appended),
            ("tremplin_spool_groups", "Writes that kept them", spool.groups),
            ("tremplin_spool_failures", "Requests whose answers could not be kept", spool.failures),
            ("tremplin_drained", "Rows that the drain put into the store", drain.drained),
            ("tremplin_set_aside", "Rows of the spool that the store never takes, kept aside", drain.set_aside),
            ("tremplin_damaged", "Stretches of the spool with a wrong checksum, kept aside", drain.damaged),
        ):  # fmt: skip
            yield CounterMetricFamily(name, documentation, value)
