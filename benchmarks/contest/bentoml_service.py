"""The services that BentoML loads by name."""

from __future__ import annotations

from typing import Any

import bentoml
import pandas as pd

from benchmarks.contest.model import Scorer, fitted, row_model


@bentoml.service(logging={"access": {"enabled": False}})
class Default:
    """The pipeline on a DataFrame."""

    def __init__(self) -> None:
        self.model = fitted()

    @bentoml.api
    def predict(self, frame: pd.DataFrame) -> float:
        """One probability."""
        return float(self.model.predict_proba(frame)[0, 1])


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Best:
    """ONNX Runtime on a validated row."""

    def __init__(self) -> None:
        self.scorer = Scorer()

    @bentoml.api(input_spec=row_model())
    async def predict(self, **row: Any) -> float:
        """One probability."""
        return self.scorer(row)
