"""What is live: a versioned row in the store that every server polls. Waves, halt and rollback change only it."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Self

import sqlalchemy as sa
from pydantic import Field, model_validator
from sqlalchemy.engine import Engine

from tremplin.contract import Strict
from tremplin.errors import TremplinError
from tremplin.store import live

ATTEMPTS = 20
STOPPED = "stopped"  # the cohort of everybody while the model is stopped
BY_PERSON = "a person stopped the model: "  # before the reason, where an answer says why the model gave none


class Live(Strict):
    """Which releases answer, and for whom."""

    champion: str
    challenger: str | None = None
    previous: str | None = None
    share: float = Field(default=0.0, ge=0, le=1, description="part of the subjects the challenger answers")
    rollout_key: str = Field(default="", description="keys the draw of cohorts; one a rollout")
    halted: bool = Field(default=False, description="a person stopped the rollout; no wave opens by itself")
    stopped: str | None = Field(
        default=None,
        description="why a person stopped the model: the fallback rule answers; none while it runs",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.share > 0 and not (self.challenger and self.rollout_key):
            raise ValueError("a share above 0 needs a challenger and a rollout_key")
        if self.halted and (self.share > 0 or not self.challenger):
            raise ValueError("a halted rollout has a challenger, and no share")
        return self

    def cohort(self, subject: str) -> str:
        """``champion`` or ``challenger``: sticky, and growing the share never moves a subject back."""
        return "challenger" if self.share > 0 and draw(self.rollout_key, subject) < self.share else "champion"

    def release(self, cohort: str) -> str:
        """The release that answers a cohort."""
        return self.challenger if cohort == "challenger" and self.challenger else self.champion


def draw(rollout_key: str, subject: str) -> float:
    """A number in [0, 1) that is the subject's for the whole rollout: 53 bits of a keyed hash (HMAC-SHA-256)."""
    digest = hmac.new(rollout_key.encode(), subject.encode(), hashlib.sha256).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def current(engine: Engine, pilot: str) -> tuple[int, Live] | None:
    """The newest row and its version; None before the first go-live.

    Raises:
        TremplinError: the row was changed, and says nothing that could be live.
    """
    query = (
        sa.select(live.c.version, live.c.state).where(live.c.pilot == pilot).order_by(live.c.version.desc())
    )
    try:
        with engine.connect() as connection:
            row = connection.execute(query.limit(1)).first()
        return (row.version, Live.model_validate(row.state)) if row else None
    except (ValueError, TypeError, RecursionError) as error:
        raise TremplinError(
            f"What is live of {pilot} cannot be read: the newest row of the table live was changed ({error}). "
            "`tremplin journal show` says what was decided last."
        ) from None


def change(engine: Engine, pilot: str, state: Live, *, by: str, reason: str, after: int | None = None) -> int:
    """Make ``state`` what is live; the version of the newest row then. Writing what is live already changes nothing.

    Args:
        after: the version that ``state`` was decided from, 0 for none: where another row has followed it, nothing is changed.
    """
    query = sa.select(sa.func.max(live.c.version), sa.func.max(live.c.version).filter(live.c.pilot == pilot))
    for _attempt in range(ATTEMPTS):
        with engine.connect() as connection:
            newest, own = (version or 0 for version in connection.execute(query).one())
        known = current(engine, pilot)
        if (after is not None and own != after) or (known and known == (own, state)):
            return int(own)
        row = {
            "version": newest + 1, "pilot": pilot, "by": by, "reason": reason, "recorded_at": datetime.now(UTC),
            "state": state.model_dump(),
        }  # fmt: skip
        try:
            with engine.begin() as connection:
                connection.execute(live.insert().values(row))
            return int(newest) + 1
        except sa.exc.IntegrityError:
            continue  # another writer took the version: what is live may be another by now
    raise TremplinError(f"What is live of {pilot} is being changed by too many programs at once. Try again.")
