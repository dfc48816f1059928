"""What LitServe runs in a process of its own, so importable. It reads annotations: they are no text here."""

from typing import Any

import litserve
import pandas as pd

from benchmarks.contest.model import Scorer, fitted, row_model

Row: Any = row_model()
Row.__module__ = __name__  # a validated row is pickled on its way to that process


class Default(litserve.LitAPI):  # type: ignore[misc]
    """The pipeline on a DataFrame."""

    def setup(self, device: str) -> None:
        """Load once."""
        self.model = fitted()

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # an annotation would be taken for the type of a query
        """A frame of one row."""
        return pd.DataFrame([request])

    def predict(self, frame: pd.DataFrame) -> Any:
        """Probabilities of both classes."""
        return self.model.predict_proba(frame)

    def encode_response(self, output: Any) -> dict[str, float]:
        """One probability."""
        return {"score": float(output[0][1])}


class Best(litserve.LitAPI):  # type: ignore[misc]
    """ONNX Runtime on a validated row."""

    def setup(self, device: str) -> None:
        """Open the session once."""
        self.scorer = Scorer()

    def decode_request(self, request: Row) -> dict[str, Any]:
        """LitServe validates by this type."""
        return vars(request)

    def predict(self, row: dict[str, Any]) -> float:
        """One probability."""
        return self.scorer(row)

    def encode_response(self, output: float) -> dict[str, float]:
        """The same, named."""
        return {"score": output}
