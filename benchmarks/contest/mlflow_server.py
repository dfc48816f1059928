"""MLflow's scoring server, ``mlflow models serve``.

python -m benchmarks.contest.mlflow_server default|best    # saves the model
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.contest.contestant import MODEL, PANDAS, Contestant, Row

PACKAGES = ("mlflow==3.17.2", PANDAS, *MODEL)
VARIABLES = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_DISABLE_ENV_CREATION": "true"}
SERVE = ("mlflow", "models", "serve", "-p", "{port}", "-w", "1", "--env-manager", "local", "-m")


def records(row: Row) -> bytes:
    """A DataFrame of one record."""
    return json.dumps({"dataframe_records": [row]}).encode()


def inputs(row: Row) -> bytes:
    """A list of one object, for a model with type hints."""
    return json.dumps({"inputs": [row]}).encode()


DEFAULT = Contestant(
    name="mlflow default",
    form="the pipeline by the sklearn flavour, with its inferred signature",
    packages=PACKAGES,
    prepare=("python", "-m", "benchmarks.contest.mlflow_server", "default"),
    command=(*SERVE, "{world}/mlflow-default"),
    variables=VARIABLES,
    path="/invocations",
    ready="/ping",
    body=records,
    score=lambda answer: answer["predictions"][0][1],
    validates=False,
)
BEST = Contestant(
    name="mlflow best",
    form="a Python model: ONNX Runtime, one thread; a pydantic type hint validates, no DataFrame is made",
    packages=PACKAGES,
    prepare=("python", "-m", "benchmarks.contest.mlflow_server", "best"),
    command=(*SERVE, "{world}/mlflow-best"),
    variables=VARIABLES,
    path="/invocations",
    ready="/ping",
    body=inputs,
    score=lambda answer: answer["predictions"][0],
)
CONTESTANTS = (DEFAULT, BEST)


def save(form: str) -> None:
    """Save the model as MLflow's documentation has it."""
    import mlflow

    from benchmarks.contest.model import WORLD, fitted

    path = str(WORLD / f"mlflow-{form}")
    requirements: Any = list(MODEL)
    if form == "best":
        mlflow.pyfunc.save_model(
            path, python_model=__file__.replace("mlflow_server", "mlflow_best"), pip_requirements=requirements
        )
        return
    import pandas as pd

    example = pd.DataFrame(json.loads((WORLD / "rows.json").read_text("utf-8")))
    pipeline = fitted()
    mlflow.sklearn.save_model(
        pipeline,
        path,
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
        signature=mlflow.models.infer_signature(example, pipeline.predict_proba(example)),
        pip_requirements=requirements,
    )


if __name__ == "__main__":
    save(sys.argv[1])
