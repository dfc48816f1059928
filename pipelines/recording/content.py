"""What a run holds: parameters, measurements, datasets and the model with its signature."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.recording.metric_names import metric_name
from tremplin.contract import Column
from tremplin.lock import md5_by_dvc
from tremplin.onnx_model import OnnxModel
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.target import Task

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.types import ColSpec, TensorSpec

# Name of the model's output in the signature.
ANSWERS = {Task.CLASSIFICATION: "probability", Task.REGRESSION: "amount"}
WARM, MEASURED = 20, 200  # calls before and while latency is measured: the median of 200 is steady within 5 %


def parameters(pilot: Pilot, paths: Paths) -> dict[str, str]:
    """The sections of ``pilot.yaml`` that made the model, flat, and the candidate that was chosen."""
    modeling = json.loads(paths.report(4, "modeling").read_text("utf-8"))
    sections = pilot.file.model_dump(mode="json", include={"data", "model"})
    charter = pilot.charter
    if charter.decision_threshold is None:
        decided = {f"charter.costs.{side}": value for side, value in charter.costs}
    else:
        decided = {"charter.decision_threshold": charter.decision_threshold}
    flat = {**dict(_flat(sections)), **decided, "task": pilot.contract.task, "winner": modeling["winner"]}
    return {key: str(value) for key, value in flat.items()}


def measurements(pilot: Pilot, paths: Paths) -> dict[str, float]:
    """Every number of the final evaluation, flat, and the latency of one row here (it differs by machine, so no stage has it)."""
    evaluation = json.loads(paths.report(5, "evaluation").read_text("utf-8"))
    found = {key: float(value) for key, value in _flat(evaluation) if isinstance(value, int | float)}
    return found | {"latency_one_row_ms": _latency(pilot, paths)}


def log_inputs(client: MlflowClient, run_id: str, pilot: Pilot, paths: Paths) -> None:
    """The snapshot and both parts of it; each is named by DVC's hash of its file and described by the contract."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.types import Schema
    from pyarrow import parquet

    contract = pilot.contract
    parts = {
        "snapshot": paths.snapshot,
        **{p: paths.prepared / f"{p}.parquet" for p in ("train", "evaluation")},
    }
    inputs = []
    for context, path in parts.items():
        described = contract.columns if path == paths.snapshot else contract.training_columns
        schema = Schema([_colspec(column) for column in described])
        md5 = md5_by_dvc(path) or ""
        dataset = Dataset(
            name=path.relative_to(paths.root).as_posix(),
            digest=md5,
            source_type="local",
            source=json.dumps({"uri": path.as_uri()}),
            schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
            profile=json.dumps({"num_rows": parquet.read_metadata(path).num_rows}),
        )
        inputs.append(
            DatasetInput(dataset, [InputTag("mlflow.data.context", context), InputTag("dvc_md5", md5)])
        )
    client.log_inputs(run_id, inputs)


def _colspec(column: Column) -> ColSpec | TensorSpec:
    from mlflow.types import ColSpec, DataType

    types = {"string": DataType.string, "boolean": DataType.boolean, "timestamp": DataType.datetime}
    return ColSpec(types.get(column.logicalType, DataType.double), column.name, required=column.required)


def log_model(run_id: str, pilot: Pilot, paths: Paths) -> None:
    """Log ``model.onnx`` with its signature, under the name ``model``; then the run is finished."""
    import mlflow
    import onnx
    import onnxruntime

    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*Any type hint is inferred"
        )  # MLflow's, of a class of its own
        import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.float if feature.numeric else DataType.string, feature.name)
        for feature in pilot.contract.features
    ]
    signature = ModelSignature(
        Schema(inputs), Schema([ColSpec(DataType.double, ANSWERS[pilot.contract.task])])
    )
    with mlflow.start_run(run_id=run_id):
        mlflow.onnx.log_model(
            onnx.load(paths.model / "model.onnx"),
            name="model",
            signature=signature,
            pip_requirements=[f"onnxruntime=={onnxruntime.__version__}", f"onnx=={onnx.__version__}"],
            save_as_external_data=False,
        )


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """``a.b.c`` and its value. An interval ``{value, low, high}`` becomes ``x``, ``x_low``, ``x_high``."""
    if not isinstance(value, Mapping):
        yield metric_name(path), value
    elif {"value", "low", "high"} <= value.keys() and not isinstance(value["value"], Mapping):
        *above, last = path
        for key, inner in value.items():
            yield metric_name([*above, last if key == "value" else f"{last}_{key}"]), inner
    else:
        for key, inner in value.items():
            yield from _flat(inner, (*path, str(key)))


def _latency(pilot: Pilot, paths: Paths) -> float:
    """Milliseconds of one row through ONNX Runtime with one thread, the median."""
    model = OnnxModel(paths.model / "model.onnx", pilot.contract)
    row = json.loads((paths.model / "profile.json").read_text("utf-8"))["smoke"]["rows"][0]
    columns = {feature.name: [row.get(feature.name)] for feature in pilot.contract.features}
    seconds = []
    for _call in range(WARM + MEASURED):
        begun = time.perf_counter()
        model.score(columns)
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds[WARM:]) * 1000)
