"""LitServe.

python -m benchmarks.contest.litserve_server default|best PORT
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.contest.contestant import MODEL, PANDAS, Contestant

PACKAGES = ("litserve==0.2.19", PANDAS, *MODEL)
COMMAND = ("python", "-m", "benchmarks.contest.litserve_server")


def score(answer: Any) -> float:
    """The probability of one row's answer."""
    return float(answer["score"])


CONTESTANTS = (
    Contestant(
        name="litserve default",
        form="`LitAPI` around the pipeline, a DataFrame a request",
        packages=PACKAGES,
        command=(*COMMAND, "default", "{port}"),
        path="/predict",
        ready="/health",
        score=score,
        validates=False,
    ),
    Contestant(
        name="litserve best",
        form="`LitAPI`, `fast_queue`; ONNX Runtime, one thread; the request type is a pydantic model",
        packages=PACKAGES,
        command=(*COMMAND, "best", "{port}"),
        path="/predict",
        ready="/health",
        score=score,
    ),
)


def main() -> None:
    """Serve until told to stop."""
    import litserve

    from benchmarks.contest.litserve_api import Best, Default

    best = sys.argv[1] == "best"
    server = litserve.LitServer(
        Best() if best else Default(), accelerator="cpu", workers_per_device=1, fast_queue=best
    )
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
