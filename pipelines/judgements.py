"""A judgement in the journal: what the gate said of which version, and under what it said so.

Requirement: a verdict is asked for again where anything that it rests on is another.
Risk: a block stays when its cause is gone; a pass stays that was given where more was tolerated, or under other limits.
Quality method: a block never stands, the gate is asked again; a pass stands only under what is written with it.
Evidence: one journal line a judgement; the same judgement twice is one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Engine

from pipelines.verdict import Verdict, facts, verdict_hash
from tremplin import journal, live
from tremplin.canonical import digest
from tremplin.code_version import code_version
from tremplin.journal import Entry
from tremplin.pilot import Pilot
from tremplin.settings import Settings

if TYPE_CHECKING:
    from pipelines.gate.looks import Window
    from pipelines.recording import Recorded

JUDGES = ("pipelines", "tremplin")  # the packages that the gate is made of


def journal_verdict(
    engine: Engine,
    verdict: Verdict,
    *,
    recorded: Recorded,
    under: dict[str, Any],
    evaluated: Window,
    retraining: bool = False,
) -> Entry:
    """Write down what the gate said of a version. The newest judgement of it, made again, is not written again.

    Args:
        under: see ``circumstances``.
        evaluated: of the rows that it was judged on.
        retraining: whether a decision to retrain asked for it.
    """
    said = {
        "version": recorded.model_version,
        "passed": verdict.passed,
        "blocked_by": verdict.blocked_by,
        "champion": verdict.champion,
        "run_id": recorded.run_id,
        "lock_hash": recorded.result_hash,
        "verdict_hash": verdict_hash(verdict),
        "verdict": facts(verdict),
        "under": under,
        "evaluated": evaluated.model_dump(mode="json"),
        "retraining": retraining,
    }
    before = _verdicts(engine, verdict.pilot, "version", recorded.model_version)
    if before and before[-1].facts == said:
        return before[-1]
    return journal.append(
        engine,
        "verdict",
        identity=f"{recorded.model_version}:{len(before) + 1}:{digest(said)}",
        pilot=verdict.pilot,
        by="gate",
        as_of=verdict.as_of,
        facts=said,
    )


def newest_verdict(engine: Engine, pilot: str, lock_hash: str) -> Entry | None:
    """The last that was said of a result."""
    said = _verdicts(engine, pilot, "lock_hash", lock_hash)
    return said[-1] if said else None


def standing_verdict(
    engine: Engine, pilot: str, lock_hash: str, *, as_of: datetime, under: dict[str, Any]
) -> Entry | None:
    """The newest verdict on a result, if the gate need not be asked again.

    It passed, as of the same moment and under the same circumstances, and the champion that it met is champion, or the model
    itself has become it.
    """
    said = newest_verdict(engine, pilot, lock_hash)
    if said is None or not said.facts["passed"]:
        return None
    if (said.as_of, said.facts.get("under")) != (as_of, under):
        return None
    known = live.current(engine, pilot)
    met = [said.facts["champion"], *releases_of(engine, pilot, said.facts["version"])]
    return said if (known[1].champion if known else None) in met else None


def circumstances(pilot: Pilot, settings: Settings) -> dict[str, Any]:
    """What a verdict rests on and ``dvc.lock`` does not hold, as JSON's types.

    Not the commit itself: one that changes neither the lock, nor the pilot's file, nor the gate leaves a verdict as it is.
    """
    return {
        "environment": settings.environment,
        "dirty": code_version(settings)[1],
        "pilot_file": digest(pilot.file.model_dump(mode="json")),
        "gate": _code(Path(__file__).parents[1]),
    }


def releases_of(engine: Engine, pilot: str, version: int) -> list[str]:
    """Names of the releases of a version."""
    released = journal.entries(engine, pilot=pilot, kind="release")
    return [entry.facts["release"] for entry in released if entry.facts["version"] == version]


def _verdicts(engine: Engine, pilot: str, fact: str, value: Any) -> list[Entry]:
    return [e for e in journal.entries(engine, pilot=pilot, kind="verdict") if e.facts.get(fact) == value]


def _code(root: Path) -> str:
    """SHA-256 over the gate's code as it runs here."""
    found = hashlib.sha256()
    for path in sorted(path for package in JUDGES for path in (root / package).rglob("*.py")):
        found.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
