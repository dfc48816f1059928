"""``stop`` and ``restart``: a person ends what the model decides, and lets it go on."""

from __future__ import annotations

import typer

from tremplin.commands.context import AsJson, AsOf, Key, context
from tremplin.commands.rollout import Why, step, who_may


def stop(ctx: typer.Context, key: Key, reason: Why, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Within seconds every server answers the charter's fallback rule, not the model, until somebody who may approve restarts it.

    Example: `tremplin stop --key ~/.ssh/id_ed25519 --reason "the weather service sends nonsense"`
    """
    from pipelines import stopping

    given = context(ctx)
    by = who_may(given, "halt", key, reason)
    step(given, stopping.stop, by, "stopped", reason=reason, as_of=as_of, as_json=as_json)


def restart(ctx: typer.Context, key: Key, reason: Why, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Let a stopped model answer again, as it did before; who may approve decides.

    Example: `tremplin restart --key ~/.ssh/id_ed25519 --reason "the weather service is mended"`
    """
    from pipelines import stopping

    given = context(ctx)
    by = who_may(given, "approve", key, reason)
    step(given, stopping.restart, by, "runs again", reason=reason, as_of=as_of, as_json=as_json)
