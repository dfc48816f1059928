"""How what is live changes: one step, written and taken, from each version of its row.

The journal is written before the row is changed, under an identity made of the row's version: of two who decide from the same
row at once, one is written, and the other sees what is live then and decides again. What was written was decided: a step that
was cut short in between is completed before the next one, whichever that is and whoever takes it (``settled``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec

from sqlalchemy.engine import Engine

from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.journal import Entry, Signatory
from tremplin.live import Live, change, current

STEPS = (  # kinds of entries
    "go-live", "rollout", "wave", "halt", "resumption", "promotion", "rollback", "guard", "stop", "restart",
)  # fmt: skip
ANY_STEP = "step"  # in the identity of all of them: a row is followed by one step, of whichever kind
ATTEMPTS = 20

Known = tuple[int, Live]  # what is live, and the version of its row
Given = ParamSpec("Given")


class _Overtaken(Exception):
    """Another step was written from the same row."""


def decided_again(step: Callable[Given, Live]) -> Callable[Given, Live]:
    """A step that was overtaken by another looks at what is live again, and decides from that."""

    @wraps(step)
    def decided(*given: Given.args, **named: Given.kwargs) -> Live:
        for _attempt in range(ATTEMPTS):
            try:
                return step(*given, **named)
            except _Overtaken:
                continue
        raise TremplinError("What is live is being changed by too many programs at once. Try again.")

    return decided


def settled(engine: Engine, pilot: str) -> Known | None:
    """What is live, with the version of its row, after a step that was written but not taken is taken; None before any."""
    known, step = current(engine, pilot), last_step(engine, pilot)
    version = known[0] if known else 0
    if step is None or step.identity != f"{pilot}:{ANY_STEP}:{version}":
        return known
    _complete(engine, step, version)
    return current(engine, pilot)


def last_step(engine: Engine, pilot: str) -> Entry | None:
    """The newest entry of the journal that changed what is live."""
    return next((e for e in reversed(journal.entries(engine, pilot=pilot)) if e.kind in STEPS), None)


def take(
    engine: Engine,
    pilot: str,
    kind: str,
    known: Known | None,
    new: Live,
    *,
    release: str,
    by: str,
    as_of: datetime,
    reason: str,
    evidence: dict[str, Any] | None = None,
    signed_by: Signatory | None = None,
) -> Live:
    """Write and take the step of one of the kinds ``STEPS`` from what is ``known`` to be live to ``new``. To be called from what
    is ``decided_again``.
    """
    version, before = known or (0, None)
    facts = {
        "release": release,
        "reason": reason,
        "before": before.model_dump() if before else None,
        "after": new.model_dump(),
        "evidence": evidence,
    }
    written = journal.append(
        engine, kind, identity=str(version), among=ANY_STEP, pilot=pilot, by=by, as_of=as_of, facts=facts,
        signed_by=signed_by,
    )  # fmt: skip
    if (written.kind, written.facts["after"]) != (kind, facts["after"]):
        raise _Overtaken
    _complete(engine, written, version)
    return new


def _complete(engine: Engine, step: Entry, version: int) -> None:
    """Make what a written step led to live, unless somebody has: nothing else can follow the row of ``version``."""
    after = Live.model_validate(step.facts["after"])
    change(engine, step.pilot, after, by=step.by, reason=step.facts["reason"], after=version)
