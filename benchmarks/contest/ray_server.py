"""Ray Serve.

python -m benchmarks.contest.ray_server default|best PORT
"""

from __future__ import annotations

import signal
import sys
import tempfile
from typing import Any

from benchmarks.contest.contestant import MODEL, PANDAS, Contestant

PACKAGES = ("ray[serve]==2.60.0", PANDAS, *MODEL)
COMMAND = ("python", "-m", "benchmarks.contest.ray_server")
VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_LOG_TO_STDERR": "0"}


def score(answer: Any) -> float:
    """The probability of one row's answer."""
    return float(answer["score"])


CONTESTANTS = (
    Contestant(
        name="ray default",
        form="a deployment around the pipeline, a DataFrame a request",
        packages=PACKAGES,
        command=(*COMMAND, "default", "{port}"),
        variables=VARIABLES,
        path="/",
        ready="/-/healthz",
        score=score,
        validates=False,
    ),
    Contestant(
        name="ray best",
        form="`max_ongoing_requests` 100, throughput-optimized, no access log; ONNX Runtime, one thread; a pydantic model "
        "reads the body",
        packages=PACKAGES,
        command=(*COMMAND, "best", "{port}"),
        variables={**VARIABLES, "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
        path="/",
        ready="/-/healthz",
        score=score,
    ),
)


def main() -> None:
    """Serve until told to stop."""
    import ray
    from ray import serve
    from starlette.requests import Request

    from benchmarks.contest.model import Scorer, fitted, row_model

    @serve.deployment
    class Default:
        def __init__(self) -> None:
            self.model = fitted()

        async def __call__(self, request: Request) -> Any:
            import pandas as pd

            return {"score": float(self.model.predict_proba(pd.DataFrame([await request.json()]))[0, 1])}

    @serve.deployment(max_ongoing_requests=100, logging_config={"enable_access_log": False})
    class Best:
        def __init__(self) -> None:
            self.scorer, self.read = Scorer(), row_model().model_validate_json

        async def __call__(self, request: Request) -> Any:
            from pydantic import ValidationError
            from starlette.responses import Response

            try:
                row = self.read(await request.body())
            except ValidationError as error:
                return Response(error.json(), 422)
            return {"score": self.scorer(vars(row))}

    def stop(*_: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        try:
            ray.init(num_cpus=1, include_dashboard=False, _temp_dir=folder, log_to_driver=False)
            serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
            serve.run((Best if sys.argv[1] == "best" else Default).bind(), blocking=True)
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main()
