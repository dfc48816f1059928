"""``demo``: the whole loop on the pilot's real data, told as a story."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.prefect_server import calling_flows, failed_runs
from tremplin import journal, live
from tremplin.charter import Person
from tremplin.commands.context import context, styled
from tremplin.commands.demo_story import WAITING_SECONDS, Story
from tremplin.errors import TremplinError
from tremplin.lock import result_hash
from tremplin.paths import Paths
from tremplin.workspace import make_workspace

if TYPE_CHECKING:
    from tremplin.commands.demo_world import World

RETRAINING_SECONDS = 300
LOOK = timedelta(
    days=3
)  # between two looks at an open wave; it may be looked at every day, which takes longer to play
WORSE = "worse"  # the workspace of the model that must be blocked, under home
# Appended to model.py in a workspace of its own: one random tree, grown until it knows its training rows by heart.
WORSE_MODEL = """

def candidates(parameters, *, seed, threads):
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import ExtraTreeClassifier

    tree = ExtraTreeClassifier(min_samples_leaf=3, random_state=seed)
    return {name: make_pipeline(SimpleImputer(), tree) for name in parameters}
"""


def demo(ctx: typer.Context) -> None:
    """Play the whole loop on real data in .tremplin/demo; the checkout stays clean. A rerun after Ctrl-C goes on.

    Pilots share that world. A demo that was played to its end begins anew; where other pilots left something, in a world of
    its own, .tremplin/demo-PILOT: what is theirs stays.

    Example: `tremplin demo --pilot support`
    """
    from tremplin.commands.demo_world import World, complete

    given = context(ctx)
    story = Story(given.console)
    given.console.print(
        styled(given.pilot.charter.title, "bold"), f": {given.pilot.charter.problem.strip()}", sep=""
    )
    world = World(given.settings.root, given.pilot.name, story)
    try:
        with calling_flows(world.settings, world.api):
            first = first_model(world)
            send_worse_model(world)
            go_live(world, first)
            due = months_until_retraining(world)
            blocked_model(world)
            if due is not None:
                release = retrained(world, due)
                waves(world, release, due)
            traced(world)
    finally:
        world.children.stop()
    complete(world.settings.home, given.pilot.name).touch()
    summary(world)


def first_model(world: World) -> int:
    """Ingest, the graph, MLflow, the gate; the version that passed."""
    from monitoring.drift import load_evidently
    from pipelines.flows import training
    from pipelines.ingestion import ingest
    from pipelines.prefect_server import start_serving, wait_for_server
    from pipelines.withdrawal import read_withdrawn

    given, story = world.given, world.story
    as_of = world.answered_until
    with story.chapter(f"Ingest what was known on {as_of:%d %B %Y}; a Prefect server starts meanwhile"):
        facts = ingest(given.pilot, given.paths, as_of, withdrawn=read_withdrawn(given.settings))
        story.tell(
            f"{facts.rows:,} rows since {facts.start:%d %B %Y}: {facts.labelled:,} labelled, {facts.pending:,} not yet, "
            f"{facts.never_labelled:,} never"
        )
        from tremplin.tracking import tracking

        tracking(given.settings)  # makes MLflow's database while Prefect makes its own
        wait_for_server(world.children, world.api)
        start_serving(world.children, given.settings, world.api, given.pilot.name)
    with story.chapter("Train: dvc repro, record in MLflow, gate"):
        # Evidently takes five seconds to import: now, while DVC's processes work.
        threading.Thread(target=load_evidently, daemon=True).start()
        passed = training(given.pilot.name, as_of, given.settings.root)
        entry = verdict_on(world, given.settings.root)
        show_verdict(world, entry)
        if not passed:
            raise TremplinError("The first model did not pass the gate. The table says why.")
    return int(entry.facts["version"])


def send_worse_model(world: World) -> None:
    """A deliberately worse model goes through the same flow and gate, in a process of its own, while the months are played."""
    given = world.given
    root = make_workspace(given.settings.root, given.settings.home / WORSE)
    with (root / "pilots" / given.pilot.name / "model.py").open("a", encoding="utf-8") as file:
        file.write(WORSE_MODEL)
    there, here = Paths(root, given.pilot.name), given.paths
    there.snapshot.parent.mkdir(parents=True, exist_ok=True)
    for source, target in ((here.snapshot, there.snapshot), (here.snapshot_facts, there.snapshot_facts)):
        shutil.copyfile(source, target)
    environment = {"TREMPLIN_ROOT": str(root), "TREMPLIN_HOME": str(given.settings.home)}
    run = [sys.executable, "-m", "tremplin.cli", "run", "--as-of", world.answered_until.isoformat()]
    world.children.start(WORSE, ["nice", *run], environment, root)  # users come first
    world.story.tell("a deliberately worse model starts its way to the same gate, beside what follows")


def blocked_model(world: World) -> None:
    """What the gate said of the worse model."""
    with world.story.chapter("Meanwhile, at the same gate: a tree that knows its training rows by heart"):
        world.children.finish(WORSE)
        verdict = verdict_on(world, world.given.settings.home / WORSE)
        if verdict.facts["verdict"]["passed"]:
            raise TremplinError(
                "The gate let a worse model pass. It must not: look at its limits in pilot.yaml."
            )
        show_verdict(world, verdict, only_blocked=True)


def go_live(world: World, version: int) -> None:
    """The stand-in approves; the release is signed; the server answers."""
    from tremplin.commands.releasing import approve_and_release

    given, story = world.given, world.story
    with story.chapter("Go/no-go, signed release, server"):
        owner = approver(world)
        release = approve_and_release(
            given.settings,
            given.store,
            version,
            by=world.stand_in(owner.contact),
            as_of=world.answered_until,
            stand_in=True,
        )
        story.tell(
            f"{owner.name} approves version {version} ",
            styled("(the demo's stand-in signs, with a key of its own)", "yellow"),
        )
        first = ", signed, live for everybody: the first has nobody to meet"
        story.tell("release ", styled(release.id, "bold"), first)
        world.start_model_server()
        story.tell(f"server on {world.url} (its pages: {world.url}/docs)")


def months_until_retraining(world: World) -> datetime | None:
    """Play and monitor month by month until the evidence says retrain; when that was."""
    from pipelines.flows import monitoring

    given, story = world.given, world.story
    for start, end in months(world):
        as_of = end + timedelta(days=given.pilot.file.monitoring.label_days)
        with story.chapter(f"{start:%B %Y}: users ask, outcomes arrive, the month is measured"):
            world.play_until(as_of)
            decided = monitoring(given.pilot.name, f"{start:%Y-%m}", as_of)
            story.tell("decision: ", styled(decided["action"], "bold"))
            for reason in decided["reasons"]:
                story.tell(f"  {reason}")
        if decided["action"] == "retrain":
            return as_of
    story.tell("The evidence did not ask for retraining in the time that was played.")
    return None


def retrained(world: World, due: datetime) -> str:
    """The event started the retraining flow by itself: wait for its verdict, then the stand-in approves."""
    from tremplin.commands.releasing import approve_and_release

    given, story = world.given, world.story
    with story.chapter("The event starts the retraining flow by itself (a Prefect automation)"):
        entry = retraining_verdict(world, due)
        show_verdict(world, entry)
        if not entry.facts["verdict"]["passed"]:
            raise TremplinError(
                "The challenger did not pass the gate: the champion stays. The table says why."
            )
        owner = approver(world)
        version = int(entry.facts["version"])
        release = approve_and_release(
            given.settings, given.store, version, by=world.stand_in(owner.contact), as_of=due, stand_in=True
        )
        story.tell(
            f"{owner.name} approves version {version} ",
            styled("(stand-in)", "yellow"),
            "; release ",
            styled(release.id, "bold"),
            " is the challenger",
        )
    return release.id


def retraining_verdict(world: World, due: datetime) -> journal.Entry:
    """Wait for the flow that the event started: its verdict is in the journal when it is done."""
    failed_before = set(failed_runs(world.client, world.api))
    deadline = time.monotonic() + RETRAINING_SECONDS
    while (entry := newest_verdict(world, due)) is None:
        world.children.check("prefect-serve")
        if said := set(failed_runs(world.client, world.api)) - failed_before:
            raise TremplinError(f"The retraining flow failed: {'; '.join(said)}")
        if time.monotonic() > deadline:
            raise TremplinError(
                f"No verdict of the retraining flow within {RETRAINING_SECONDS} s of the event."
            )
        waited = RETRAINING_SECONDS - (deadline - time.monotonic())
        world.story.progress(
            f"the retraining flow works in a process of its own, {waited:.0f} s", every=WAITING_SECONDS
        )
        time.sleep(0.5)
    return entry


def waves(world: World, release: str, due: datetime) -> None:
    """The challenger goes out in waves, each judged on its outcomes."""
    from pipelines.flows import rolling_out
    from pipelines.rollout import wave_opened

    given, story = world.given, world.story
    with story.chapter(f"The challenger goes out in waves, looked at every {LOOK.days} days"):
        # Begun again, it was answered until the open wave began.
        opened = wave_opened(given.store, given.pilot, release) or due
        world.answered_until = max(opened, world.answered_until)
        while world.answered_until < world.midnight(given.pilot.file.demo.until):
            done = rolling_out(given.pilot.name, release, world.answered_until)
            if done["done"] == "held":
                story.progress(f"{world.answered_until:%d %B}: held, {done['reasons'][-1]}")
            else:
                for reason in done["reasons"]:
                    story.tell(f"  {reason}")
                if done["done"] != "opened":
                    story.tell("", styled(done["done"], "bold"))
                    break
                share = f": wave {done['wave']}, {current(world).share:.0%} of the subjects"
                story.tell("", styled("opened", "bold"), share)
                world.wait_until_live()
            world.play_until(world.answered_until + LOOK)
        else:
            story.tell("The waves were not over when the history that is played ended.")
        now = current(world)
        story.tell("champion: ", styled(now.champion, "bold"), f", previous: {now.previous}")


def traced(world: World) -> None:
    """One answer followed back to the rows, the code, the verdict and the person."""
    import sqlalchemy as sa

    from governance.lineage import trace
    from tremplin.store import outcomes, predictions

    given = world.given
    with world.story.chapter("Trace of one answer"):
        known = sa.select(outcomes.c.key).where(outcomes.c.pilot == given.pilot.name)
        query = (
            sa.select(predictions.c.prediction_id)
            .where(predictions.c.release_id == current(world).champion, predictions.c.key.in_(known))
            .where(predictions.c.excluded.is_(None))
            .order_by(predictions.c.event_time.desc(), predictions.c.key)
            .limit(1)
        )
        with given.store.connect() as connection:
            chosen = connection.scalars(query).one()
        found = trace(given.settings, given.store, chosen)
        given.console.print(found.table())
        if not found.unbroken:
            raise TremplinError(f"The trace is broken at {', '.join(found.broken)}.")
        world.story.tell(f"again: .venv/bin/tremplin trace {chosen} {there(world)}")


def summary(world: World) -> None:
    """Where to look, and where the time went."""
    given, console = world.given, world.given.console
    problems = journal.verify(given.store)
    console.print()
    console.print(world.story.times())
    reports = given.settings.home / "monitoring" / given.pilot.name
    console.print(
        f"journal: {len(journal.entries(given.store))} entries, {'; '.join(problems) or 'every hash right'}\n"
        "look yourself:\n"
        "  make ui: MLflow and Prefect, with everything above in them\n"
        f"  .venv/bin/tremplin status {there(world)}: what is live\n"
        f"  .venv/bin/tremplin journal show {there(world)}: who decided what\n"
        f"  {reports}/*.html: Evidently's reports",
        soft_wrap=True,
    )


def there(world: World) -> str:
    """The options with which a command speaks of this demo."""
    return f"--workspace {world.settings.root.name} --pilot {world.given.pilot.name}"


def months(world: World) -> Iterator[tuple[datetime, datetime]]:
    """Beginning and end of each month to play."""
    plan = world.given.pilot.file.demo
    day = plan.first_training.replace(day=1)
    while day < plan.until:
        following = (day + timedelta(days=32)).replace(day=1)
        yield world.midnight(day), world.midnight(following)
        day = following


def approver(world: World) -> Person:
    """The first person of the charter who may approve."""
    return next(p for p in world.given.pilot.charter.people if "approve" in p.may and "author" not in p.may)


def current(world: World) -> live.Live:
    """What is live."""
    known = live.current(world.given.store, world.given.pilot.name)
    assert known is not None
    return known[1]


def newest_verdict(world: World, as_of: datetime) -> journal.Entry | None:
    """The last verdict on a result of that moment, or None."""
    found = journal.entries(world.given.store, pilot=world.given.pilot.name, kind="verdict")
    return next((entry for entry in reversed(found) if entry.as_of == as_of), None)


def verdict_on(world: World, root: Path) -> journal.Entry:
    """The last verdict on the result that lies under ``root``."""
    lock = result_hash(root, world.given.pilot.name)
    verdicts = journal.entries(world.given.store, pilot=world.given.pilot.name, kind="verdict")
    return next(entry for entry in reversed(verdicts) if entry.facts["lock_hash"] == lock)


def show_verdict(world: World, entry: journal.Entry, *, only_blocked: bool = False) -> None:
    """The gate's table."""
    from pipelines.verdict import Verdict, verdict_table

    verdict = Verdict.model_validate(entry.facts["verdict"])
    if only_blocked:
        for check in verdict.checks:
            if not check.passed:
                why = f" ({check.requirement}): {check.evidence}"
                world.story.tell("", styled("BLOCKED", "red"), " by ", styled(check.id, "bold"), why)
    else:
        world.given.console.print(verdict_table(verdict))
