"""``ui``: MLflow's and Prefect's own pages, on this machine."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated

import typer

from tremplin.commands.context import context


def ui(
    ctx: typer.Context,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow.")] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect.")] = 4200,
) -> None:
    """Open the pages of MLflow and Prefect until Ctrl-C; with the automation that retrains.

    Example: `tremplin ui --workspace demo`
    """
    from pipelines.prefect_server import (
        Children,
        start_server,
        start_serving,
        wait_for_automation,
        wait_for_server,
    )

    given = context(ctx)
    settings = given.settings
    children = Children(settings)
    try:
        store = settings.mlflow_tracking_uri
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--backend-store-uri",
            store,
            "--port",
            str(mlflow_port),
        ]
        artifacts = [
            "--host",
            "127.0.0.1",
            "--workers",
            "1",
            "--artifacts-destination",
            str(settings.home / "mlartifacts"),
        ]
        quiet = {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        }
        children.start("mlflow", command + artifacts, os.environ | quiet, settings.root)
        api = start_server(children, settings, prefect_port)
        given.console.print("starting; about 20 seconds")
        wait_for_server(children, api)
        start_serving(children, settings, api, settings.pilot)
        wait_for_automation(children, api)
        pages = {"MLflow": mlflow_port, "Prefect": prefect_port}
        for name, port in pages.items():
            given.console.print(f"{name:8} http://127.0.0.1:{port}")
        given.console.print("Ctrl-C ends both")
        while True:
            children.check("mlflow")
            children.check("prefect-server")
            time.sleep(1)
    finally:
        children.stop()
