"""The links that the store and the release themselves can verify: the answer, the release, the approval, the outcome."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from governance.approvals import expired
from governance.identity import Signer, read_signers, signature_problem
from governance.lineage.links import Link
from governance.lineage.stored import read_row
from tremplin import journal
from tremplin.contract import Contract, load_contract
from tremplin.coverage import Coverage, Segment
from tremplin.errors import TremplinError
from tremplin.live import BY_PERSON, STOPPED
from tremplin.release import Release
from tremplin.service import SERVICE, ServiceSheet
from tremplin.store import outcomes
from tremplin.target import Task

IMPOSSIBLE = (
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
)  # what a row of other kinds of values raises
CLOSE = 1e-6  # of a probability, or of the largest amount: the server may run on another processor


def answered(prediction: dict[str, Any], unreadable: Sequence[str], release: Release | None) -> Link:
    """The logged answer, scored again from its row; without its release it cannot be.

    Args:
        unreadable: columns of the stored answer that hold nothing of their type any more.
    """
    if unreadable:
        detail = f"changed since it was logged, what stands there cannot be read: {', '.join(unreadable)}"
        return Link(name="prediction", value=str(prediction["key"]), verified=False, detail=detail)
    reason, score = prediction["excluded"], prediction["score"]
    decided = "" if prediction["decision"] is None else f", {prediction['decision']}"
    scored = "no score" if score is None else f"{score:.6g}{decided}"
    value = f"{prediction['key']}: {reason or scored}"
    if release is None:
        detail, verified = "without its release it cannot be computed again", None
    else:
        try:
            detail, verified = _again(prediction, release)
        except IMPOSSIBLE as error:
            detail, verified = f"the logged row is none that a model could score ({error})", False
    return Link(name="prediction", value=value, verified=verified, detail=detail)


def _again(prediction: dict[str, Any], release: Release) -> tuple[str, bool]:
    """What came of computing the answer again from its row, and whether it is what was logged.

    Raises:
        IMPOSSIBLE: a value of the row is not of its column's kind.
    """
    from tremplin.onnx_model import OnnxModel

    reason, score = prediction["excluded"], prediction["score"]
    contract = load_contract(release.path / "contract.yaml")
    columns = {feature.name: [prediction["row"].get(feature.name)] for feature in contract.features}
    again = float(OnnxModel(release.path / "model.onnx", contract).score(columns)[0])
    differing = _differing(prediction, contract)
    stopped = prediction["cohort"] == STOPPED
    if not stopped and _reason(prediction["row"], release, contract) != reason:
        differing.append("excluded")
    if stopped:
        detail = "the model was stopped: the fallback rule, as the release carries it"
        same = str(reason).startswith(BY_PERSON) and _fallback(release, contract) == (
            score,
            prediction["decision"],
        )
    elif reason is not None:
        same = score is None and prediction["decision"] is None
        detail = "the logged row, looked up again in what the release covers"
    else:
        threshold = release.manifest.decision_threshold
        decision = None if threshold is None else score is not None and score >= threshold
        close = score is not None and abs(again - score) <= CLOSE * contract.scale.largest
        same = close and decision == prediction["decision"]
        detail = f"the logged row, scored again with the release: {again:.6g}"
    differing += [] if same else ["score"]
    if differing:
        detail += f"; not what was logged: {', '.join(differing)}"
    return detail, not differing


def _reason(row: dict[str, Any], release: Release, contract: Contract) -> str | None:
    """Why the release does not answer this row; None where it does."""
    profile = json.loads((release.path / "profile.json").read_text("utf-8"))
    segments = [Segment.model_validate(segment) for segment in profile["coverage"]]
    found = Coverage(segments, {column.name: column for column in contract.request_columns}).excluded(row)
    return found[1] if found else None


def _fallback(release: Release, contract: Contract) -> tuple[float | None, bool | None]:
    """Score and decision of a model that is stopped."""
    sheet = ServiceSheet.model_validate_json((release.path / SERVICE).read_bytes())
    answer = sheet.fallback.answer
    if contract.task is Task.REGRESSION:
        return answer, None
    return None, None if answer is None else bool(answer)


def _differing(prediction: dict[str, Any], contract: Contract) -> list[str]:
    """Columns of the prediction that contradict the row it was made from."""
    row = prediction["row"]
    pairs = {"key": contract.key, "subject": contract.subject}
    found = [
        name for name, column in pairs.items() if column and str(prediction[name]) != str(row.get(column))
    ]
    try:
        same_time = datetime.fromisoformat(str(row.get(contract.time))) == prediction["event_time"]
    except ValueError:  # it says no time any more
        same_time = False
    return found if same_time else [*found, "event_time"]


def released(prediction: dict[str, Any], release: Release) -> Link:
    """The release that answered; it was verified when it was opened."""
    same = release.id == prediction["release_id"]
    detail = f"signature and {len(release.manifest.files)} files verified, id computed again"
    return Link(name="release", value=release.id, verified=same, detail=detail)


def approved(engine: Engine, release: Release, allowed_signers: Path) -> Link:
    """The go of a person, in the journal: what it covers, whose key signed it, and whether it held when the release was made."""
    try:
        return _approval(engine, release, read_signers(allowed_signers))
    except TremplinError as error:  # the journal, or the list of signers, cannot be read
        by = release.manifest.go_no_go.by
        return Link(name="approval", value=by, verified=False, detail=str(error))


def _approval(engine: Engine, release: Release, signers: list[Signer]) -> Link:
    manifest = release.manifest
    decision = manifest.go_no_go
    value = f"{decision.by}, {decision.role}" + (" (stand-in of the demo)" if decision.stand_in else "")
    entry = next(
        (
            e
            for e in journal.entries(engine, pilot=manifest.pilot, kind="approval")
            if e.hash == decision.journal_hash
        ),
        None,
    )
    if entry is None:
        return Link(name="approval", value=value, verified=False, detail="the journal has no such entry")
    problems = journal.verify(engine)
    said = entry.facts
    covers = {
        "lock_hash": manifest.lock_hash,
        "verdict_hash": manifest.verdict_hash,
        "model_hash": manifest.files["model.onnx"],
        "version": manifest.model_version,
        "stand_in": decision.stand_in,
    }
    differing = [name for name, expected in covers.items() if said.get(name) != expected] + (
        [] if entry.by == decision.by else ["by"]
    )
    if differing or problems:
        detail = "; ".join(problems) or f"it covers another {', '.join(differing)}"
        return Link(name="approval", value=value, verified=False, detail=detail)
    if problem := signature_problem(entry, signers):
        return Link(name="approval", value=value, verified=False, detail=problem)
    made = journal.entries(engine, pilot=manifest.pilot, kind="release")
    if any(expired(entry, e.as_of) for e in made if e.facts.get("release") == release.id):
        detail = f"it had expired on {entry.facts['expires']} when the release was made"
        return Link(name="approval", value=value, verified=False, detail=detail)
    detail = (
        f"journal entry {entry.number} of {entry.as_of:%Y-%m-%d} covers lock, verdict and model, and is signed by a key of "
        f"{said['contact']}; the chain was verified"
    )
    return Link(name="approval", value=value, verified=True, detail=detail)


def outcome(engine: Engine, prediction: dict[str, Any]) -> Link:
    """What really happened, where it was reported."""
    found = read_row(
        engine, outcomes, outcomes.c.pilot == prediction["pilot"], outcomes.c.key == prediction["key"]
    )
    if found is None:
        return Link(
            name="outcome", value="not known", verified=None, detail="no outcome was reported for this key"
        )
    row, unreadable = found
    if unreadable:
        detail = f"changed since it was reported, what stands there cannot be read: {', '.join(unreadable)}"
        return Link(name="outcome", value="not known", verified=False, detail=detail)
    return Link(
        name="outcome",
        value=f"{row['label']:g}",
        verified=None,
        detail=f"known at {row['known_at']:%Y-%m-%d %H:%M} UTC",
    )
