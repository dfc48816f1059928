"""The model that MLflow loads in its best form ("models from code": it runs this file)."""

from __future__ import annotations

from typing import Any

import mlflow

from benchmarks.contest.model import Scorer, row_model

Row: Any = row_model()


class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """One probability a row."""

    def load_context(self, context: Any) -> None:
        """Open the session once."""
        self.scorer = Scorer()

    def predict(self, model_input):  # type: ignore[no-untyped-def]
        """Rows, as MLflow validated them."""
        return [self.scorer(dict(row)) for row in model_input]

    # MLflow reads the hint when the class is made; a type made at run time cannot be written in the signature.
    predict.__annotations__ |= {"model_input": list[Row], "return": list[float]}


mlflow.models.set_model(Model())
