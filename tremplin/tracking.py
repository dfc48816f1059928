"""The door to MLflow: silent, and imported only by who needs it (it takes two seconds)."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING

from tremplin.errors import TremplinError
from tremplin.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def load_mlflow() -> ModuleType:
    """Import MLflow (2 s), which reads these variables when it is loaded: no telemetry, no progress bars."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # the tables it makes are no news
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import mlflow

    return mlflow


def tracking(settings: Settings) -> MlflowClient:
    """A client of ``settings.mlflow_tracking_uri``; MLflow's own functions are pointed there too.

    Raises:
        TremplinError: the server or database does not answer.
    """
    mlflow = load_mlflow()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = settings.mlflow_tracking_uri
    if uri.startswith("sqlite:"):
        settings.home.mkdir(parents=True, exist_ok=True)
    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        client: MlflowClient = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TremplinError(
            f"MLflow does not answer: {error}. Check TREMPLIN_MLFLOW_TRACKING_URI."
        ) from error
    return client
