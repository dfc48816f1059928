"""Whether the releases of a rollout fit each other, before any user meets the challenger.

Requirement: whoever is moved to the challenger is answered by it.
Risk: a server refuses a challenger of another contract, its users see nothing of the wave, and the journal says it was opened.
Quality method: the rule that servers follow (``tremplin.interchange``) is asked of the signed releases first.
Evidence: no step is written.
"""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from tremplin.contract import load_contract
from tremplin.coverage import Segment
from tremplin.errors import TremplinError
from tremplin.interchange import columns_read
from tremplin.release import Release


def check_interchangeable(champion: Release, challenger: Release) -> None:
    """Refuse a challenger that cannot answer what callers of the champion ask.

    Raises:
        TremplinError: it answers something else, or needs a column that callers do not send, or mean otherwise.
    """
    asked_by, answered_by = (
        load_contract(release.path / "contract.yaml") for release in (champion, challenger)
    )
    profile = json.loads((challenger.path / "profile.json").read_bytes())
    segments = TypeAdapter(list[Segment]).validate_python(profile["coverage"])
    try:
        columns_read(asked_by, answered_by, segments, champion=champion.id, challenger=challenger.id)
    except TremplinError as error:
        raise TremplinError(
            f"No wave of {challenger.id} is opened: every server would refuse it. {error} Take it back: "
            "`tremplin rollout rollback`."
        ) from error
