"""What orchestration costs: the training flow against a plain script that does the same work on the same rows.

Plain: ingestion, the four stages, the result logged to MLflow, and the gate, one after the other in one process, as a person
would script it; no Prefect, no DVC, no registry. Flow: the same through Prefect (a warm server) and DVC. Each run is a process of
its own in a fresh workspace, with an empty DVC cache and an MLflow database without runs, imports included; the two take turns,
and medians are compared. Cold: the flow once more, with neither a Prefect server nor any database.

    python -m benchmarks.pipeline --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.machine import machine
from pipelines.prefect_server import Children, environment, free_port, start_server, wait_for_server
from tremplin.paths import Paths
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import load_settings
from tremplin.tracking import tracking
from tremplin.workspace import make_workspace


def plain(pilot: str, as_of: datetime) -> None:
    """The script: stage after stage in this process."""
    from pipelines import evaluation, modeling, preparation, understanding
    from pipelines.gate import gate
    from pipelines.ingestion import ingest

    loaded, paths = load_pilot(pilot, Path.cwd()), Paths(Path.cwd(), pilot)
    ingest(loaded, paths, as_of)
    for stage in (understanding, preparation, modeling, evaluation):
        stage.stage(loaded, paths)
    log(loaded, paths)
    gate(loaded, paths, champion=None, as_of=as_of, settings=load_settings(root=paths.root))


def log(pilot: Pilot, paths: Paths) -> None:
    """Parameters, measurements, reports and the model, as one MLflow run."""
    from pipelines.recording.content import log_model, measurements, parameters
    from tremplin.tracking import load_mlflow, tracking

    mlflow = load_mlflow()
    tracking(load_settings())
    mlflow.set_experiment(pilot.name)
    with mlflow.start_run() as run:
        mlflow.log_params(parameters(pilot, paths))
        mlflow.log_metrics(measurements(pilot, paths))
        mlflow.log_artifacts(str(paths.reports))
    log_model(run.info.run_id, pilot, paths)


def flow(pilot: str, as_of: datetime) -> None:
    """The flow: the same by Prefect, DVC and MLflow."""
    from pipelines import prefect_server

    with prefect_server.calling_flows(load_settings(), os.environ.get("PREFECT_API_URL")):
        from pipelines.flows import training

        training(pilot, as_of, Path.cwd())


def seconds(
    kind: str, pilot: str, as_of: datetime, given: dict[str, str], database: Path | None = None
) -> float:
    """Wall time of one run in a fresh workspace, with a copy of an MLflow database or none."""
    with tempfile.TemporaryDirectory() as folder:
        root = make_workspace(Path.cwd(), Path(folder))
        local = root / ".dvc" / "config.local"
        local.write_text("[core]\n    no_scm = true\n", "utf-8")  # a cache of its own: nothing is restored
        if database:
            (root / ".tremplin").mkdir()
            shutil.copy(database, root / ".tremplin" / "mlflow.db")
        command = [
            sys.executable,
            "-m",
            "benchmarks.pipeline",
            "--child",
            kind,
            "--pilot",
            pilot,
            "--as-of",
            as_of.isoformat(),
        ]
        paths = {"PYTHONPATH": str(Path.cwd()), "TREMPLIN_ROOT": str(root)}
        begun = time.perf_counter()
        done = subprocess.run(
            command, cwd=root, env=os.environ | paths | given, stdout=subprocess.DEVNULL, check=False
        )
        taken = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"the {kind} run failed with code {done.returncode}; its error is above")
        return taken


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pilot", default="flights")
    parser.add_argument("--as-of", default=None, help="default: the demo's first training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    parser.add_argument("--child", choices=["plain", "flow"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    file = load_pilot(given.pilot, Path.cwd()).file
    day = datetime.fromisoformat(given.as_of or file.demo.first_training.isoformat())
    as_of = day if day.tzinfo else day.replace(tzinfo=ZoneInfo(file.data.timezone))
    if given.child:
        (plain if given.child == "plain" else flow)(given.pilot, as_of)
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(home=Path(folder))
        children = Children(settings)
        try:
            api = start_server(children, settings, free_port())
            wait_for_server(children, api)
            tracking(settings)  # makes the tables
            database = settings.home / "mlflow.db"
            taken: dict[str, list[float]] = {"plain": [], "flow": []}
            for number in range(given.rounds):
                for kind, found in taken.items():
                    warm = environment(settings, api) if kind == "flow" else {}
                    found.append(seconds(kind, given.pilot, as_of, warm, database))
                    print(f"round {number + 1} {kind:5} {found[-1]:6.1f} s", flush=True)
        finally:
            children.stop()
    cold = seconds("flow", given.pilot, as_of, {})
    medians = {kind: statistics.median(values) for kind, values in taken.items()}
    ratio = medians["flow"] / medians["plain"]
    print(
        f"plain {medians['plain']:.1f} s, flow {medians['flow']:.1f} s: ratio {ratio:.2f}; cold {cold:.1f} s"
    )
    figures = {
        "machine": machine(),
        "seconds": taken,
        "median": medians,
        "ratio": ratio,
        "cold_seconds": cold,
    }
    print(json.dumps(figures["machine"]))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
