"""The exported model, run by ONNX Runtime: the reference implementation, in the server and everywhere a release is scored."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # ONNX Runtime reads it while it is imported, and reports home without

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tremplin.contract import Contract
from tremplin.target import Task


class OnnxModel:
    """``model.onnx``: one input of shape (n, 1) a feature, strings or float32; probabilities (n, 2) or amounts (n, 1) out."""

    def __init__(self, path: Path, contract: Contract, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        self.features = contract.features
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._output = self._session.get_outputs()[-1].name  # the label comes first, the probabilities last
        self._amounts = contract.task is Task.REGRESSION

    def score(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        """The answer for each row, in the target's own unit: a probability, or an amount within the contract's range.

        Args:
            columns: a sequence of n values for each feature of the contract; None or NaN where missing.
        """
        feed: dict[str, NDArray[Any]] = {}
        for feature in self.features:
            values = columns[feature.name]
            if feature.numeric:
                feed[feature.name] = np.asarray(values, dtype=np.float32).reshape(-1, 1)
            else:
                texts = ["" if _missing(value) else str(value) for value in values]
                feed[feature.name] = np.asarray(texts, dtype=object).reshape(-1, 1)
        answers = np.asarray(self._session.run([self._output], feed)[0], dtype=np.float64)
        scores: NDArray[np.float64] = answers.ravel() if self._amounts else answers[:, 1]
        return scores


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
