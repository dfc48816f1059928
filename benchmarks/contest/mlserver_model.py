"""The model class that MLServer loads by name."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from pydantic import ValidationError

from benchmarks.contest.model import Scorer, row_model


class Best(MLModel):  # type: ignore[misc]
    """ONNX Runtime on a validated row."""

    async def load(self) -> bool:
        """Open the session once."""
        self.scorer, self.row = Scorer(), row_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One probability."""
        try:
            row = self.row(**{one.name: one.data[0] for one in payload.inputs})
        except ValidationError as error:
            raise InferenceError(str(error)) from None
        score = ResponseOutput(name="score", shape=[1], datatype="FP64", data=[self.scorer(vars(row))])
        return InferenceResponse(model_name=self.name, outputs=[score])
