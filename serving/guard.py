"""A challenger that fails, is slow or answers something else altogether is halted by each server on its own, within seconds.

Whether it is right shows in outcomes, which come later, and is judged by a flow (``pipelines.judging``). Here is looked at what
shows at once, on the rows that it answered last: rows it had no answer for, the time a row took, and how far its scores are from
the champion's on the same rows. The draw of cohorts is by subject, so that two cohorts may honestly differ; the same rows do not.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy.engine import Engine

from serving.request_model import Row
from tremplin.errors import TremplinError
from tremplin.journal import BY_MACHINE
from tremplin.live import Live
from tremplin.steps import decided_again, settled, take

if TYPE_CHECKING:
    from serving.live_watch import State

NEWEST = 2000  # rows that are looked at


class Guard:
    """What a challenger answered last. Filled by requests, looked at by the thread that follows what is live."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] = (
            "",
            0,
        )  # challenger, and the version of what is live that it was looked at in
        self._answered: dict[
            str, tuple[Row, float]
        ] = {}  # by the row's key: one that is sent often counts once
        self._seconds: deque[float] = deque(maxlen=NEWEST)  # of a row
        self._failed: deque[bool] = deque(maxlen=NEWEST)

    def answered(self, keys: list[str], rows: list[Row], scores: list[float], seconds: float) -> None:
        """A challenger's scores of some rows, and the time they took together."""
        for key, row, score in zip(keys, rows, scores, strict=True):
            self._answered.pop(key, None)  # the newest last
            self._answered[key] = row, score
        for key in list(self._answered)[: max(0, len(self._answered) - NEWEST)]:
            self._answered.pop(key, None)
        self._seconds.extend([seconds / len(rows)] * len(rows))
        self._failed.extend([False] * len(rows))

    def failed(self, rows: int) -> None:
        """Rows that a challenger had no answer for."""
        self._failed.extend([True] * rows)

    def objection(self, state: State) -> str | None:
        """Why the challenger of ``state`` must not go on, or None. Its limits are in the sheet that it was released with."""
        challenger = state.live.challenger
        if self._seen != (
            challenger,
            state.version,
        ):  # a wave that a person lets begin again is judged by what it answers then
            self._seen = challenger or "", state.version
            for kept in (self._answered, self._seconds, self._failed):
                kept.clear()
        if challenger is None or not state.live.share:
            return None
        servable, limits = state.releases[challenger], state.releases[challenger].sheet.guard
        failed = list(self._failed)
        if len(failed) >= limits.minimum_rows and (share := sum(failed) / len(failed)) > limits.failed_share:
            return f"it had no answer for {share:.1%} of its last {len(failed):,} rows ({limits.failed_share:.1%} is the limit)"
        seconds, answered = list(self._seconds), list(self._answered.values())
        if len(answered) < limits.minimum_rows:
            return None
        took = 1000 * float(np.quantile(seconds, 0.95))
        if took > limits.latency_ms:
            return f"a row takes {took:.1f} ms (95 % of the last {len(seconds):,}; {limits.latency_ms:g} ms is the limit)"
        champions = np.asarray(state.champion.scores([row for row, _ in answered]))
        own = np.asarray([score for _, score in answered])
        scale = servable.scale
        apart = float(np.mean(np.abs(scale.to_unit(own) - scale.to_unit(champions))))
        if apart > limits.score_shift:
            return (
                f"its scores are {apart:.2f} of the range from the champion's on the same {len(answered):,} rows, on average "
                f"({limits.score_shift:g} is the limit)"
            )
        return None


@decided_again
def halt(engine: Engine, pilot: str, challenger: str, reason: str) -> Live:
    """Everybody back to the champion, until a person lets the challenger begin again; nothing where it is on its way no more.

    Raises:
        SQLAlchemyError: the store does not answer.
        TremplinError: it says nothing of what is live.
    """
    known = settled(engine, pilot)
    if known is None:
        raise TremplinError("the store says nothing of what is live")
    state = known[1]
    if state.challenger != challenger or state.halted:
        return state
    said: dict[str, Any] = {
        "release": challenger,
        "by": BY_MACHINE,
        "as_of": datetime.now(UTC),
        "reason": reason,
    }
    return take(engine, pilot, "guard", known, halted(state), **said)


def halted(state: Live) -> Live:
    """The same without a share for the challenger."""
    return state.model_copy(update={"share": 0.0, "halted": True})
