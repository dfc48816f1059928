"""The measured model in a peer's environment, without any of our packages: as it was fitted, and in the fastest portable form.

``WORLD`` is the folder that ``benchmarks.contest.world`` made.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Optional

WORLD = Path(os.environ.get("BENCH_WORLD", "."))


def fitted() -> Any:
    """The scikit-learn pipeline: encoder and LightGBM, called on a DataFrame."""
    import joblib

    return joblib.load(WORLD / "pipeline.joblib")


def columns() -> list[dict[str, Any]]:
    """Each column of a row: name, kind, nullable, limits, feature."""
    found: list[dict[str, Any]] = json.loads((WORLD / "columns.json").read_text("utf-8"))
    return found


class Scorer:
    """The same pipeline in ONNX Runtime, one thread: a row in, the probability out."""

    def __init__(self) -> None:
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            WORLD / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._output = [self._session.get_outputs()[-1].name]
        self._features = [(one["name"], one["kind"] == "string") for one in columns() if one["feature"]]
        self._array, self._single, self._object = np.array, np.float32, object

    def __call__(self, row: dict[str, Any]) -> float:
        """None is missing."""
        feed = {
            name: self._array([["" if row[name] is None else row[name]]], dtype=self._object)
            if text
            else self._array([[row[name]]], dtype=self._single)
            for name, text in self._features
        }
        return float(self._session.run(self._output, feed)[0][0, 1])


def row_model() -> Any:
    """A pydantic model of a row, with types and limits."""
    from pydantic import ConfigDict, Field, create_model

    kinds = {"string": str, "number": float, "integer": int, "boolean": bool, "timestamp": datetime}
    fields: dict[str, Any] = {}
    for one in columns():
        kind: Any = kinds[one["kind"]]
        if one["limits"]:
            kind = Annotated[kind, Field(ge=one["limits"][0], le=one["limits"][1])]
        fields[one["name"]] = (Optional[kind], None) if one["nullable"] else (kind, ...)  # noqa: UP045 - made at run time
    return create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)
