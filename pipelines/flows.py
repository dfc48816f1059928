"""The loop as Prefect flows: when things happen, and what happens if. DVC says how, MLflow remembers, people approve.

Every flow can be cut short anywhere and run again: each task does nothing where its work is already done.
"""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from sqlalchemy.engine import Engine

from pipelines.remaking import Remaking, made_again
from tremplin import journal, live
from tremplin.contract import load_contract
from tremplin.errors import SourceAway, TremplinError
from tremplin.journal import BY_MACHINE
from tremplin.lock import result_hash
from tremplin.onnx_model import OnnxModel
from tremplin.paths import Paths
from tremplin.pilot import load_pilot
from tremplin.release import Release, open_release, sha256
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store
from tremplin.tracking import load_mlflow
from tremplin.workspace import make_workspace, workspace_settings

RETRAINING_DUE = "tremplin.retraining.due"  # the event that the automation in `pipelines.serve` listens to
RETRAINING = (
    "retraining"  # its workspaces are ``home/retraining-<pilot>``: pilots may retrain at the same time
)


def resource(pilot: str) -> str:
    """The Prefect resource that a pilot's events speak of."""
    return f"tremplin.pilot.{pilot}"


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """A source that did not answer may answer later; a fault that a person must mend stays one."""
    return isinstance(state.result(raise_on_failure=False), SourceAway)


@task(cache_policy=NO_CACHE, retries=3, retry_delay_seconds=[1, 10, 60], retry_condition_fn=_worth_retrying)
def ingest(root: Path, pilot: str, as_of: datetime) -> None:
    """Snapshot of what was known at ``as_of``, and its hash."""
    from pipelines.ingestion import ingest as take_snapshot
    from pipelines.reproducing import track_snapshot
    from pipelines.withdrawal import read_withdrawn

    paths = Paths(root, pilot)
    take_snapshot(load_pilot(pilot, root), paths, as_of, withdrawn=read_withdrawn(load_settings()))
    track_snapshot(paths)


@task(cache_policy=NO_CACHE)
def reproduce(root: Path, pilot: str) -> None:
    """One task for the whole graph: DVC knows its stages."""
    from pipelines import reproducing

    # MLflow takes two seconds to import: now, while DVC's processes work.
    threading.Thread(target=load_mlflow, daemon=True).start()
    reproducing.reproduce(Paths(root, pilot))


@task(cache_policy=NO_CACHE)
def record(root: Path, pilot: str, as_of: datetime) -> int:
    """One MLflow run and one registered version for the result; the version's number."""
    from pipelines.recording import record as record_result

    settings = workspace_settings(load_settings(), root)
    return record_result(load_pilot(pilot, root), Paths(root, pilot), settings, as_of=as_of).model_version


@task(cache_policy=NO_CACHE)
def judge(
    root: Path, pilot: str, version: int, as_of: datetime, remaking: Remaking | None, *, due: bool = False
) -> bool:
    """The gate; its verdict goes to MLflow and the journal. Whether the model passed.

    Args:
        due: see ``training``.
    """
    from pipelines.gate import ChampionModel, gate
    from pipelines.gate.looks import Window, look_at
    from pipelines.judgements import circumstances, journal_verdict, standing_verdict
    from pipelines.recording import attach_verdict, version_facts

    settings = workspace_settings(load_settings(), root)
    engine, loaded, paths = open_store(settings), load_pilot(pilot, root), Paths(root, pilot)
    recorded, under = version_facts(settings, pilot, version), circumstances(loaded, settings)
    known = standing_verdict(engine, pilot, recorded.result_hash, as_of=as_of, under=under)
    if known and (known.facts["retraining"] or not due):
        return True
    release = champion(engine, settings, pilot)
    met = ChampionModel(release) if release and release.manifest.model_version != version else None
    evaluated = Window.of(paths, loaded.contract)
    look = look_at(engine, pilot, sha256(paths.model / "model.onnx"), evaluated)
    verdict = gate(loaded, paths, champion=met, as_of=as_of, settings=settings, look=look, remade=remaking)
    if remaking:
        remaking.stop()  # now: the journal's line is the last thing that a judgement leaves
    recorded = attach_verdict(recorded, verdict, settings)
    journal_verdict(engine, verdict, recorded=recorded, under=under, evaluated=evaluated, retraining=due)
    return verdict.passed


@flow
def training(pilot: str, as_of: datetime, root: Path, *, due: bool = False) -> bool:
    """From the source to a verdict, in the checkout or workspace ``root``. Whether the model passed the gate.

    Args:
        due: whether a decision to retrain, of ``as_of``, asked for it; its verdict says so.
    """
    ingest(root, pilot, as_of)
    reproduce(root, pilot)
    with _made_again_if_first(root, pilot) as remaking:  # beside what follows, which leaves processors idle
        version = record(root, pilot, as_of)
        return judge(root, pilot, version, as_of, remaking, due=due)


def _made_again_if_first(root: Path, pilot: str) -> AbstractContextManager[Remaking | None]:
    """Before a first go-live the model is made again from its lock, and so is the one that is live; later ones on request."""
    settings = load_settings()
    release = champion(open_store(settings), settings, pilot)
    if release and release.manifest.lock_hash != result_hash(root, pilot):
        return nullcontext()
    return made_again(Paths(root, pilot))


@flow
def retraining(pilot: str, as_of: datetime) -> bool:
    """Training that the evidence asked for, in a workspace of its own. Whether the challenger passed; a person decides next."""
    settings = load_settings()
    root = make_workspace(settings.root, settings.home / f"{RETRAINING}-{pilot}")
    return training.fn(pilot, as_of, root, due=True)  # its tasks, in this run: one run a retraining


@task(cache_policy=NO_CACHE)
def measure(pilot: str, window: str, as_of: datetime) -> dict[str, Any]:
    """The window's evidence, in files and in MLflow, and the decision that follows from it, in the journal."""
    from monitoring.decision import Decision, decide
    from monitoring.evidence import read_history
    from monitoring.fairness import summary
    from monitoring.page import write_page
    from monitoring.report import monitor_window
    from monitoring.windows import month_window
    from pipelines.auditing import protected_rows
    from pipelines.monitoring_runs import (
        drift_reference,
        journal_decision,
        log_monitoring,
        retrainings_before,
    )
    from pipelines.withdrawal import read_withdrawn

    settings = load_settings()
    engine, loaded = open_store(settings), load_pilot(pilot, settings.root)
    release = champion(engine, settings, pilot)
    if release is None:
        raise TremplinError(
            f"Nothing of {pilot} is live, so there is nothing to monitor. `tremplin run`, `tremplin approve`."
        )
    folder = settings.home / "monitoring" / pilot
    evidence = monitor_window(
        engine,
        loaded,
        month_window(window, loaded.file.data.timezone),
        as_of=as_of,
        release_id=release.id,
        release_profile=json.loads((release.path / "profile.json").read_text("utf-8")),
        reference=drift_reference(settings, release),
        folder=folder,
        people=partial(protected_rows, loaded, withdrawn=read_withdrawn(settings)),
    )
    decision = decide(
        read_history(folder),
        loaded.file,
        as_of=as_of,
        retrainings=retrainings_before(engine, pilot, window, release.id, as_of),
    )
    said = {"window": window, "release": release.id, "action": decision.action, "reasons": decision.reasons}
    facts = journal_decision(engine, pilot, said, as_of=as_of).facts
    page = write_page(folder, evidence, Decision(facts["action"], facts["reasons"]))
    log_monitoring(
        settings, release, window, folder, evidence=evidence.model_dump(mode="json"), decision=facts
    )
    fair = summary(evidence.fairness) if evidence.fairness else None
    return {**facts, "fairness": fair, "page": str(page), "report": str(folder / f"{window}-evidently.html")}


@flow
def monitoring(pilot: str, window: str, as_of: datetime) -> dict[str, Any]:
    """Measure a window and decide. Where a retraining is due, an event says so; the automation does the rest."""
    decided = measure(pilot, window, as_of)
    due = retraining_due(open_store(load_settings()), pilot, as_of)
    if due is not None:
        payload = {"pilot": pilot, "as_of": due.as_of.isoformat(), "window": due.facts["window"]}
        emit_event(event=RETRAINING_DUE, resource={"prefect.resource.id": resource(pilot)}, payload=payload)
    return decided


def retraining_due(engine: Engine, pilot: str, as_of: datetime) -> journal.Entry | None:
    """The last decision to retrain, as long as no verdict came of it: its event is told again with each window.

    An event can be lost, with the process that decided or with the one that was to listen; the journal is not. Told twice
    it is worked on once: the second flow finds everything done. A verdict on what somebody trained beside it is not its own.
    """
    decided = [e for e in journal.entries(engine, pilot=pilot, kind="retraining") if e.as_of <= as_of]
    if not decided:
        return None
    came_of_it = (
        verdict.as_of == decided[-1].as_of and verdict.facts.get("retraining")
        for verdict in journal.entries(engine, pilot=pilot, kind="verdict")
    )
    return None if any(came_of_it) else decided[-1]


@flow
def rolling_out(pilot: str, release_id: str, as_of: datetime) -> dict[str, Any]:
    """Judge the open wave, then open the next one, promote, hold, or roll back. May run as often as one likes: every day."""
    return next_step(pilot, release_id, as_of)


@task(cache_policy=NO_CACHE)
def next_step(pilot: str, release_id: str, as_of: datetime) -> dict[str, Any]:
    """The verdict on the open wave and what was done: opened, promoted, held or rolled back."""
    from monitoring.windows import Window, load_window
    from pipelines import rollout
    from pipelines.interchanging import check_interchangeable
    from pipelines.judging import judge_wave
    from tremplin import steps

    settings = load_settings()
    engine, loaded = open_store(settings), load_pilot(pilot, settings.root)
    known = steps.settled(engine, pilot)
    release = champion(engine, settings, pilot)
    if known is None or release is None or known[1].challenger != release_id:
        set_live_aliases(settings, engine, pilot)  # a step that was killed may have ended without them
        step = steps.last_step(engine, pilot)
        last = f"; the last step was the {step.kind} of {step.facts['release']}" if step else ""
        return {"done": "nothing", "reasons": [f"{release_id} is not on its way{last}"]}

    def open_wave(number: int, evidence: dict[str, Any] | None = None) -> None:
        if not known[1].halted:  # whoever halted it is named first
            path = settings.releases / release_id
            check_interchangeable(release, open_release(path, settings.release_public_key, pilot=pilot))
        rollout.open_wave(engine, loaded, release_id, number, by=BY_MACHINE, as_of=as_of, evidence=evidence)

    wave = rollout.wave_of(loaded, known[1])
    since = rollout.wave_opened(engine, loaded, release_id)
    if wave == 0 or since is None:
        open_wave(1)
        return {"done": "opened", "wave": 1, "reasons": ["the rollout was approved"]}
    rollout.refuse_before_last_step(engine, loaded, release_id, as_of)
    rows = load_window(engine, loaded, Window(since, as_of, f"wave {wave}"), as_of)
    model = OnnxModel(release.path / "model.onnx", load_contract(release.path / "contract.yaml"))
    verdict = judge_wave(loaded, rows, model, challenger=release_id, since=since, as_of=as_of)
    facts: dict[str, Any] = {"wave": wave, **verdict.model_dump(mode="json")}
    if verdict.decision == "rollback":
        reason = verdict.reasons[-1]
        rollout.rollback(
            engine, loaded, release_id, by=BY_MACHINE, as_of=as_of, reason=reason, evidence=facts
        )
        set_live_aliases(settings, engine, pilot)
        return {**facts, "done": "rolled back"}
    if verdict.decision == "hold":
        return {**facts, "done": "held"}
    if wave == len(loaded.file.rollout.waves):
        rollout.promote(engine, loaded, release_id, by=BY_MACHINE, as_of=as_of, evidence=facts)
        set_live_aliases(settings, engine, pilot)
        return {**facts, "done": "promoted"}
    open_wave(wave + 1, facts)
    return {**facts, "done": "opened", "wave": wave + 1}


def set_live_aliases(settings: Settings, engine: Engine, pilot: str) -> None:
    """Make MLflow's aliases say what is live."""
    from pipelines.recording import set_aliases

    known = live.current(engine, pilot)
    if known is None:
        return
    releases = {
        "champion": known[1].champion,
        "challenger": known[1].challenger,
        "previous": known[1].previous,
    }
    versions = {
        alias: open_release(
            settings.releases / name, settings.release_public_key, pilot=pilot
        ).manifest.model_version
        if name
        else None
        for alias, name in releases.items()
    }
    set_aliases(settings, pilot, **versions)


def champion(engine: Engine, settings: Settings, pilot: str) -> Release | None:
    """The release that answers today, verified; None before the first go-live."""
    known = live.current(engine, pilot)
    if known is None:
        return None
    return open_release(settings.releases / known[1].champion, settings.release_public_key, pilot=pilot)
