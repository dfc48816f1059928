"""MLServer, by the Open Inference Protocol.

python -m benchmarks.contest.mlserver_server default|best PORT FOLDER    # writes its settings, and becomes the server
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.contest.contestant import MODEL, Contestant, Row

PACKAGES = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22", "pandas", *MODEL)
COMMAND = ("python", "-m", "benchmarks.contest.mlserver_server")


def tensors(row: Row) -> list[dict[str, Any]]:
    """Each column as an input of one value."""
    return [
        {
            "name": name,
            "shape": [1, 1],
            "datatype": "BYTES",
            "data": [value],
            "parameters": {"content_type": "str"},
        }
        if isinstance(value, str)
        else {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]}
        for name, value in row.items()
    ]


def frame(row: Row) -> bytes:
    """To be read as a DataFrame; probabilities, please."""
    asked = {
        "inputs": tensors(row),
        "parameters": {"content_type": "pd"},
        "outputs": [{"name": "predict_proba"}],
    }
    return json.dumps(asked).encode()


CONTESTANTS = (
    Contestant(
        name="mlserver default",
        form="`mlserver-sklearn` around the pipeline, with its worker process",
        packages=PACKAGES,
        command=(*COMMAND, "default", "{port}", "{home}"),
        path="/v2/models/flights/infer",
        ready="/v2/models/flights/ready",
        body=frame,
        score=lambda answer: answer["outputs"][0]["data"][1],
        validates=False,
    ),
    Contestant(
        name="mlserver best",
        form="a model class in the server's own process, no metrics; ONNX Runtime, one thread; a pydantic model validates",
        packages=PACKAGES,
        command=(*COMMAND, "best", "{port}", "{home}"),
        path="/v2/models/flights/infer",
        ready="/v2/models/flights/ready",
        body=lambda row: json.dumps({"inputs": tensors(row)}).encode(),
        score=lambda answer: answer["outputs"][0]["data"][0],
    ),
)


def main() -> None:
    """Write the settings, then go on as ``mlserver start``."""
    from benchmarks.contest.model import WORLD

    form, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    server = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "debug": False,
    }
    model: dict[str, Any] = {"name": "flights"}
    if form == "best":
        server |= {"parallel_workers": 0, "metrics_endpoint": None}
        model["implementation"] = "benchmarks.contest.mlserver_model.Best"
    else:
        model["implementation"] = "mlserver_sklearn.SKLearnModel"
        model["parameters"] = {"uri": str(WORLD / "pipeline.joblib")}
    (folder / "settings.json").write_text(json.dumps(server), "utf-8")
    (folder / "model-settings.json").write_text(json.dumps(model), "utf-8")
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(folder)])  # noqa: S606


def free_port() -> int:
    """One that nobody listens on now."""
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()
