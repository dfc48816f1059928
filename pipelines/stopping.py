"""Stop: a person ends what the model decides, at once, for everybody, until a person lets it go on (AI Act, article 14 (4) (e)).

Every server then answers the charter's fallback rule (``service.fallback``), marked as such. Champion, challenger and waves stay
what they are.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Engine

from tremplin.errors import TremplinError
from tremplin.journal import Signatory
from tremplin.live import Live
from tremplin.pilot import Pilot
from tremplin.steps import decided_again, settled, take


@decided_again
def stop(
    engine: Engine, pilot: Pilot, *, by: str, as_of: datetime, reason: str, signed_by: Signatory | None = None
) -> Live:
    """The fallback rule answers everybody. A model that is stopped already stays so, for the reason given first.

    Raises:
        TremplinError: nothing is live.
    """
    return _change(engine, pilot, "stop", reason, by=by, as_of=as_of, reason=reason, signed_by=signed_by)


@decided_again
def restart(
    engine: Engine, pilot: Pilot, *, by: str, as_of: datetime, reason: str, signed_by: Signatory | None = None
) -> Live:
    """The model answers again, as it did before it was stopped. One that runs goes on.

    Raises:
        TremplinError: nothing is live.
    """
    return _change(engine, pilot, "restart", None, by=by, as_of=as_of, reason=reason, signed_by=signed_by)


def _change(
    engine: Engine,
    pilot: Pilot,
    kind: str,
    stopped: str | None,
    *,
    by: str,
    as_of: datetime,
    reason: str,
    signed_by: Signatory | None,
) -> Live:
    known = settled(engine, pilot.name)
    if known is None:
        raise TremplinError(
            f"Nothing of {pilot.name} is live yet, so there is nothing to {kind}. `tremplin status` shows what is."
        )
    state = known[1]
    if (state.stopped is None) is (stopped is None):
        return state
    new = state.model_copy(update={"stopped": stopped})
    return take(
        engine, pilot.name, kind, known, new, release=state.champion, by=by, as_of=as_of, reason=reason,
        signed_by=signed_by,
    )  # fmt: skip
