"""BentoML: what it serves is in ``bentoml_service``."""

from __future__ import annotations

import json

from benchmarks.contest.contestant import MODEL, PANDAS, Contestant, Row

PACKAGES = ("bentoml==1.4.39", PANDAS, *MODEL)
VARIABLES = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{home}"}
SERVE = ("bentoml", "serve", "--host", "127.0.0.1", "--port", "{port}")


def named(row: Row) -> bytes:
    """The argument of the service's method by name."""
    return json.dumps({"frame": [row]}).encode()


CONTESTANTS = (
    Contestant(
        name="bentoml default",
        form="a service around the pipeline, its argument a DataFrame",
        packages=PACKAGES,
        command=(*SERVE, "benchmarks.contest.bentoml_service:Default"),
        variables=VARIABLES,
        path="/predict",
        ready="/readyz",
        body=named,
        score=lambda answer: answer,
        validates=False,
    ),
    Contestant(
        name="bentoml best",
        form="async service, one worker, no access log or metrics; ONNX Runtime, one thread; its argument a pydantic model",
        packages=PACKAGES,
        command=(*SERVE, "benchmarks.contest.bentoml_service:Best"),
        variables=VARIABLES,
        path="/predict",
        ready="/readyz",
        score=lambda answer: answer,
    ),
)
