"""The gate's verdict on a recorded result: readable on its run, and decisive for its version."""

from __future__ import annotations

import json
from typing import Any

from pipelines.recording.versions import (
    RELEASE,
    VERDICT,
    VERDICT_HASH,
    Recorded,
    challenger_is_live,
    read_version,
)
from pipelines.verdict import Verdict, canonical_json, facts, verdict_hash, verdict_markdown
from tremplin.errors import TremplinError
from tremplin.settings import Settings
from tremplin.tracking import tracking

CHECKS = "gate/checks.json"


def attach_verdict(recorded: Recorded, verdict: Verdict, settings: Settings) -> Recorded:
    """Put the gate's verdict on the run (tags, ``gate/``) and on the version; a blocked version is no challenger.

    A version that was released keeps the verdict it was released with: a later one is in the journal alone.

    Raises:
        TremplinError: the verdict is of another model.
    """
    if verdict.model_hash != recorded.model_hash or verdict.pilot != recorded.pilot:
        raise TremplinError(
            f"The verdict is of the model {verdict.model_hash[:12]} of {verdict.pilot}; version {recorded.model_version} of "
            f"{recorded.pilot} is {recorded.model_hash[:12]}. Run the gate on the recorded result."
        )
    client, name, version = tracking(settings), recorded.pilot, str(recorded.model_version)
    if RELEASE in client.get_model_version(name, version).tags:
        return read_version(client, name, recorded.model_version, created=recorded.created)
    run_id, hashed = recorded.run_id, verdict_hash(verdict)
    if client.get_run(run_id).data.tags.get(VERDICT_HASH) != hashed:
        client.log_text(run_id, canonical_json(verdict).decode(), "gate/verdict.json")
        client.log_text(run_id, verdict_markdown(verdict), "gate/verdict.md")
        client.log_dict(run_id, _table(verdict), CHECKS)
        # What `log_table` would leave, without adding to the table of an earlier verdict: MLflow's pages show it.
        client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": CHECKS, "type": "table"}]))
    tags = {
        VERDICT: "passed" if verdict.passed else "blocked",
        "tremplin.blocked_by": ", ".join(verdict.blocked_by),
    }
    for key, value in {**tags, VERDICT_HASH: hashed}.items():  # the hash last: with it, the rest is there
        client.set_model_version_tag(name, version, key, value)
        client.set_tag(run_id, key, value)
    if not challenger_is_live(settings, name):
        aliases = client.get_model_version(name, version).aliases
        if not verdict.passed and "challenger" in aliases:
            client.delete_registered_model_alias(name, "challenger")
        elif verdict.passed and not {"champion", "previous"} & set(aliases):
            client.set_registered_model_alias(name, "challenger", version)
    return read_version(client, name, recorded.model_version, created=recorded.created)


def _table(verdict: Verdict) -> dict[str, Any]:
    rows = [{**check, "interval": str(check["interval"] or "")} for check in facts(verdict)["checks"]]
    return {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
