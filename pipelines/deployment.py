"""Phase 6 of CRISP-ML(Q), deployment: the release directory.

Requirement: what goes out is exactly what was evaluated and approved.
Risk: a file exchanged between the approval and the release; a release nobody answers for.
Quality method: every hash the approval covers is computed again from the files on disk; the release is signed.
Evidence: ``release.json`` and a journal entry.
"""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from pipelines.judgements import releases_of
from pipelines.recording import Recorded
from pipelines.verdict import Verdict, facts, verdict_hash
from tremplin import journal, live
from tremplin.errors import TremplinError
from tremplin.fast_form import FOLDER
from tremplin.journal import Entry
from tremplin.lock import changed_since, result_hash
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.release import GoNoGo, Manifest, Release, make_keys, sha256, write_release
from tremplin.service import SERVICE, sheet
from tremplin.settings import Settings


def make_release(
    pilot: Pilot,
    paths: Paths,
    settings: Settings,
    engine: Engine,
    *,
    recorded: Recorded,
    verdict: Verdict,
    approval: Entry,
    as_of: datetime,
    card: str,
) -> Release:
    """Make and sign the release of an approved version, and write it in the journal.

    Args:
        approval: the journal's entry of kind ``approval``.
        card: the model card, Markdown.

    Raises:
        TremplinError: blocked, not approved, or not any more at ``as_of``; a hash that was approved is not that of the file
            on disk; outside development, no signing key, or code that was no commit's.
    """
    found = _differences(pilot, paths, engine, recorded=recorded, verdict=verdict, approval=approval)
    if recorded.dirty and settings.environment != "development":  # a verdict of development tolerates it
        found.append(f"it was made by code that differs from the commit {recorded.commit[:12]}")
    _refuse(found, recorded)
    _refuse_expired(approval, as_of)
    if settings.environment == "development":
        make_keys(settings.signing_key, settings.release_public_key)
    said = approval.facts
    manifest = Manifest(
        pilot=pilot.name,
        as_of=verdict.as_of,
        model_version=recorded.model_version,
        mlflow_run=recorded.run_id,
        commit=recorded.commit,
        dirty=recorded.dirty,
        data_hash=recorded.data_hash,
        contract_hash=recorded.contract_hash,
        lock_hash=recorded.result_hash,
        verdict_hash=said["verdict_hash"],
        go_no_go=GoNoGo(
            by=approval.by,
            role=said["role"],
            as_of=approval.as_of,
            stand_in=said["stand_in"],
            journal_hash=approval.hash,
            lock_hash=said["lock_hash"],
            verdict_hash=said["verdict_hash"],
            model_hash=said["model_hash"],
        ),
        task=pilot.contract.task,
        decision_threshold=pilot.charter.decision_threshold,
        files={},
    )
    with tempfile.TemporaryDirectory() as folder:
        made = {name: Path(folder) / name for name in ("profile.json", "card.md", SERVICE)}
        made["profile.json"].write_text(_profile(paths, verdict), "utf-8")
        made["card.md"].write_text(card, "utf-8")
        made[SERVICE].write_text(sheet(pilot.charter, pilot.file.service).model_dump_json(indent=1), "utf-8")
        files = {
            "model.onnx": paths.model / "model.onnx",
            "contract.yaml": pilot.folder / "contract.yaml",
            **{f"{FOLDER}/{path.name}": path for path in (paths.model / FOLDER).glob("*")},
            **made,
        }
        release = write_release(settings.releases, files, manifest, settings.signing_key)
    journal.append(
        engine,
        "release",
        identity=release.id,
        pilot=pilot.name,
        by=approval.by,
        as_of=as_of,
        facts={
            "release": release.id,
            "version": recorded.model_version,
            "approval": approval.hash,
            "files": release.manifest.files,
        },
    )
    return release


def _differences(
    pilot: Pilot, paths: Paths, engine: Engine, *, recorded: Recorded, verdict: Verdict, approval: Entry
) -> list[str]:
    """What speaks against the release, one sentence each."""
    if approval.kind != "approval" or approval not in journal.entries(
        engine, pilot=pilot.name, kind="approval"
    ):
        return ["the approval is not an entry of the journal"]
    if approval.expected_hash() != approval.hash:
        return ["the approval was changed after it was written"]
    said, model = approval.facts, sha256(paths.model / "model.onnx")
    pairs: list[tuple[str, Any, Any]] = [
        ("version", said["version"], recorded.model_version),
        ("verdict", said["verdict_hash"], verdict_hash(verdict)),
        ("model.onnx", said["model_hash"], model),
        ("model of the verdict", verdict.model_hash, model),
        ("model of the version", recorded.model_hash, model),
        ("dvc.lock", said["lock_hash"], result_hash(paths.root, pilot.name)),
        ("lock of the version", recorded.result_hash, said["lock_hash"]),
        ("contract.yaml", recorded.contract_hash, pilot.contract_hash),
        ("decision threshold", _evaluation(paths)["threshold"], pilot.charter.decision_threshold),
    ]
    found = [
        f"{what}: {str(approved)[:12]} was approved, {str(there)[:12]} is there"
        for what, approved, there in pairs
        if approved != there
    ]
    found += [
        f"{path} is not what dvc.lock says" for path in changed_since(paths.root, pilot.name, code=False)
    ]
    known = live.current(engine, pilot.name)
    champion = known[1].champion if known else None
    if champion not in (verdict.champion, *releases_of(engine, pilot.name, recorded.model_version)):
        found.append(f"the champion is {champion}, and the gate compared with {verdict.champion}")
    return found + ([] if verdict.passed else [f"the gate blocked it ({', '.join(verdict.blocked_by)})"])


def _refuse(differences: list[str], recorded: Recorded) -> None:
    if differences:
        raise TremplinError(
            f"No release of version {recorded.model_version} of {recorded.pilot}: {'; '.join(differences)}. "
            "A release is exactly what was approved: run the gate again and ask for a new approval."
        )


def _refuse_expired(approval: Entry, as_of: datetime) -> None:
    expires = datetime.fromisoformat(approval.facts["expires"])
    if as_of >= expires:
        raise TremplinError(
            f"No release of version {approval.facts['version']} of {approval.pilot}: {approval.by}'s approval of "
            f"{approval.as_of:%Y-%m-%d} expired on {expires:%Y-%m-%d %H:%M} UTC (gate.approval_days in pilot.yaml). "
            "What was known then may not hold any more: run the gate on newer data, and ask for a new one."
        )


def _profile(paths: Paths, verdict: Verdict) -> str:
    """The profile, whom the release may answer, and every estimate of the evaluation that a window may be compared with."""
    profile = json.loads((paths.model / "profile.json").read_text("utf-8"))
    measured = {
        name: found
        for name, found in _evaluation(paths).items()
        if isinstance(found, dict) and "value" in found
    }
    coverage = facts(verdict)["coverage"]
    content = {**profile, "performance": measured, "coverage": coverage}
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False)


def _evaluation(paths: Paths) -> dict[str, Any]:
    evaluation: dict[str, Any] = json.loads(paths.report(5, "evaluation").read_text("utf-8"))
    return evaluation
