"""From a person's approval to a signed release that is live or on its way."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from tremplin import journal, live
from tremplin.errors import TremplinError
from tremplin.journal import Signatory
from tremplin.lock import result_hash
from tremplin.paths import Paths
from tremplin.pilot import load_pilot
from tremplin.release import Release, sha256
from tremplin.settings import Settings


def approve_and_release(
    settings: Settings, engine: Engine, version: int, *, by: Signatory, as_of: datetime, stand_in: bool
) -> Release:
    """Approve ``version`` with ``by``'s key, make its release, and start its rollout (the first goes live at once).

    Raises:
        TremplinError: the person may not, the gate did not pass, or the result is not on this machine any more.
    """
    from governance.approvals import approve
    from governance.authorship import authors_since
    from governance.identity import read_signers, signature_problem
    from governance.model_card import model_card
    from governance.rights import HEAD, known_commit
    from pipelines.deployment import make_release
    from pipelines.flows import set_live_aliases
    from pipelines.recording import tag_version, version_facts
    from pipelines.rollout import start_rollout
    from pipelines.verdict import Verdict

    recorded = version_facts(settings, settings.pilot, version)
    paths = Paths(result_root(settings, recorded.result_hash, version), settings.pilot)
    pilot = load_pilot(settings.pilot, paths.root)
    said = verdict_of(engine, pilot.name, version)
    # What is in no commit was made after the one that is recorded: the newest has to know its charter and its authors.
    commit = HEAD if recorded.dirty else recorded.commit
    if settings.environment != "development" and (recorded.dirty or known_commit(pilot, commit) is None):
        raise TremplinError(
            f"Version {version} of {pilot.name} is approved by nobody outside development: git must know its code and who may "
            f"approve it, and it was made of {'what is in no commit' if recorded.dirty else recorded.commit} in {paths.root}."
        )
    verdict = Verdict.model_validate(said.facts["verdict"])
    refuse_live(engine, pilot.name, version, as_of)
    approval = approve(
        engine,
        pilot,
        version=version,
        by=by,
        authors=authors_since(settings.root, pilot.name, last_approved(engine, pilot.name, version), commit),
        as_of=as_of,
        commit=recorded.commit,
        charter_commit=HEAD if recorded.dirty else None,
        lock_hash=recorded.result_hash,
        verdict=said.facts["verdict"],
        verdict_hash=said.facts["verdict_hash"],
        model_hash=recorded.model_hash,
        stand_in=stand_in,
    )
    if problem := signature_problem(approval, read_signers(settings.allowed_signers)):
        raise TremplinError(
            f"No release of version {version} of {pilot.name}: its approval is no proof. {problem}."
        )
    card = model_card(
        pilot,
        version=version,
        commit=recorded.commit,
        as_of=verdict.as_of,
        snapshot=snapshot_facts(paths, version),
        modeling=json.loads(paths.report(4, "modeling").read_text("utf-8")),
        evaluation=json.loads(paths.report(5, "evaluation").read_text("utf-8")),
        verdict=said.facts["verdict"],
        approval=approval,
    )
    release = make_release(
        pilot,
        paths,
        settings,
        engine,
        recorded=recorded,
        verdict=verdict,
        approval=approval,
        as_of=as_of,
        card=card,
    )
    start_rollout(engine, pilot, release.id, by=approval.by, as_of=as_of)
    tags = {"release": release.id, "approval": approval.hash, "approved_by": approval.by}
    tag_version(settings, pilot.name, version, tags)
    set_live_aliases(settings, engine, pilot.name)
    return release


def refuse_live(engine: Engine, pilot: str, version: int, as_of: datetime) -> None:
    """A version that answers already needs no other approval; the same one again completes what was cut short.

    Raises:
        TremplinError: it is live, and what it was approved by has expired: it would become the challenger of itself.
    """
    from governance.approvals import expired
    from pipelines.judgements import releases_of

    known = live.current(engine, pilot)
    own = releases_of(engine, pilot, version)
    answering = [name for name in (known[1].champion, known[1].challenger) if name in own] if known else []
    approvals = [
        e for e in journal.entries(engine, pilot=pilot, kind="approval") if e.facts["version"] == version
    ]
    if answering and approvals and expired(approvals[-1], as_of):
        raise TremplinError(
            f"Version {version} of {pilot} is live already, as release {answering[0]}: there is nothing to approve."
        )


def snapshot_facts(paths: Paths, version: int) -> dict[str, Any]:
    """What is written of the snapshot that lies there.

    Raises:
        TremplinError: it is written of other rows.
    """
    facts: dict[str, Any] = json.loads(paths.snapshot_facts.read_text("utf-8"))
    if facts["sha256"] != sha256(paths.snapshot):
        raise TremplinError(
            f"{paths.snapshot_facts} is about other rows than {paths.snapshot.name} beside it, of which version {version} was "
            "made. Put back the one on its MLflow run (artifact data/snapshot.json)."
        )
    return facts


def last_approved(engine: Engine, pilot: str, version: int) -> str | None:
    """Commit of the version that was approved last before this one; None for the first."""
    approvals = journal.entries(engine, pilot=pilot, kind="approval")
    return next((str(e.facts["commit"]) for e in reversed(approvals) if e.facts["version"] != version), None)


def verdict_of(engine: Engine, pilot: str, version: int) -> journal.Entry:
    """The newest verdict on a version."""
    found = [e for e in journal.entries(engine, pilot=pilot, kind="verdict") if e.facts["version"] == version]
    if not found:
        raise TremplinError(
            f"The gate has not judged version {version} of {pilot}. Run `tremplin run` first."
        )
    return found[-1]


def result_root(settings: Settings, lock_hash: str, version: int) -> Path:
    """Where the files of a result lie: in the checkout, or in a workspace under ``home``."""
    for lock in (settings.root / "dvc.lock", *sorted(settings.home.glob("*/dvc.lock"))):
        with contextlib.suppress(TremplinError):  # no lock there, or one of other pilots
            if result_hash(lock.parent, settings.pilot) == lock_hash:
                return lock.parent
    raise TremplinError(
        f"The files of version {version} are not here any more: neither {settings.root} nor a workspace under "
        f"{settings.home} holds the result {lock_hash[:12]}. Put its dvc.lock (an artifact of its MLflow run) back "
        "and run `dvc checkout`."
    )
