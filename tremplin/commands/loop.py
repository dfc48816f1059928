"""``run``, ``approve``, ``monitor``: the turns of the loop that a person starts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from tremplin import journal
from tremplin.commands.context import AsJson, AsOf, Context, Key, context, print_json, styled
from tremplin.errors import TremplinError

SnapshotAsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Take a snapshot of what was known then: 2013-07-01 or a full time. Default: the snapshot that is there; "
        "without one, what was known at the beginning of today.",
    ),
]


def run(ctx: typer.Context, as_of: SnapshotAsOf = None, as_json: AsJson = False) -> None:
    """Ingest, `dvc repro`, record, gate. With nothing changed since it passed: two seconds, and nothing is done.

    Example: `tremplin run --as-of 2013-07-01`
    """
    given = context(ctx)
    kept, today = snapshot_time(given) if as_of is None else None, f"{given.moment(None):%Y-%m-%d}"
    moment = kept or given.moment(today if as_of is None else as_of)
    known = settled(given, moment)
    if known is None:
        from pipelines import prefect_server
        from pipelines.judgements import newest_verdict
        from tremplin.lock import result_hash

        with prefect_server.calling_flows(given.settings):
            from pipelines.flows import training

            training(given.pilot.name, moment, given.settings.root)
        lock_hash = result_hash(given.settings.root, given.pilot.name)
        known = newest_verdict(given.store, given.pilot.name, lock_hash)
    elif not as_json:
        given.console.print("nothing changed since:")
    if known is None:
        raise TremplinError("The run ended without a verdict. Run it again with --debug.")
    if as_json:
        print_json({"as_of": known.as_of, **known.facts})
        return
    from pipelines.verdict import Verdict, verdict_table

    verdict = Verdict.model_validate(known.facts["verdict"])
    given.console.print(verdict_table(verdict))
    given.console.print(
        f"version {known.facts['version']} of {given.pilot.name}, as of {known.as_of:%Y-%m-%d}"
    )
    if kept:
        given.console.print(
            f"the snapshot is the one that was there, as of {kept.isoformat(' ', 'minutes')}; "
            f"`--as-of {today}` takes a new one"
        )
    if verdict.passed:
        said = f" --as-of {as_of}" if as_of else ""
        given.console.print(
            f"next: tremplin approve {known.facts['version']} --pilot {given.pilot.name} --key ~/.ssh/id_ed25519{said}",
            soft_wrap=True,
        )


def snapshot_time(given: Context) -> datetime | None:
    """The time of the snapshot that is there."""
    from pipelines.ingestion import read_facts

    facts = read_facts(given.paths)
    return facts.as_of if facts else None


def settled(given: Context, moment: datetime) -> journal.Entry | None:
    """The verdict on what ``run`` would make, if all is made and it stands: neither MLflow nor Prefect is asked."""
    from pipelines.ingestion import ingested
    from pipelines.judgements import circumstances, standing_verdict
    from pipelines.reproducing import is_reproduced
    from pipelines.withdrawal import read_withdrawn
    from tremplin.lock import result_hash

    withdrawn = read_withdrawn(given.settings)
    if not ingested(given.pilot, given.paths, moment, withdrawn=withdrawn) or not is_reproduced(given.paths):
        return None
    return standing_verdict(
        given.store,
        given.pilot.name,
        result_hash(given.settings.root, given.pilot.name),
        as_of=moment,
        under=circumstances(given.pilot, given.settings),
    )


def approve(
    ctx: typer.Context,
    version: Annotated[int, typer.Argument(help="Number of the registered model version.")],
    key: Key,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Approve a version that passed the gate: its release is made and signed, and it goes live or becomes the challenger.

    Who approves is who the key belongs to, by the list that `tremplin identity show` shows.

    Example: `tremplin approve 1 --key ~/.ssh/id_ed25519`
    """
    from tremplin.commands.releasing import approve_and_release

    given = context(ctx)
    moment = given.past(as_of)
    release = approve_and_release(
        given.settings, given.store, version, by=given.signatory(key), as_of=moment, stand_in=False
    )
    if as_json:
        print_json(
            {
                "release": release.id,
                "path": str(release.path),
                "manifest": release.manifest.model_dump(mode="json"),
            }
        )
    else:
        given.console.print("release", styled(release.id, "bold"), f"in {release.path}")


def monitor(
    ctx: typer.Context,
    window: Annotated[str, typer.Argument(help="A month, such as 2013-07.")],
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Measure a window of answers: drift, performance by site, and whether to retrain, with reasons.

    Example: `tremplin monitor 2013-07 --as-of 2013-08-04`
    """
    from pipelines import prefect_server

    given = context(ctx)
    with prefect_server.calling_flows(given.settings):
        from pipelines.flows import monitoring

        found = monitoring(given.pilot.name, window, given.past(as_of))
    if as_json:
        print_json(found)
        return
    given.console.print(f"{window}:", styled(found["action"], "bold"))
    for reason in found["reasons"]:
        given.console.print(f"  {reason}")
    if found["fairness"]:
        given.console.print(f"  {found['fairness']}")
    given.console.print(f"page: {found['page']}")
    given.console.print(f"report: {found['report']}")
