"""What the protocol's routes answer, for their description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from serving.inference_protocol.request import Datatype


class ResponseOutput(BaseModel):
    """A tensor of an answer: ``data``, or the parameter ``binary_data_size``."""

    name: str
    shape: list[int]
    datatype: Datatype
    parameters: dict[str, int] | None = None
    data: list[float | str | None] | None = Field(default=None, description="null where NaN is meant")


class InferenceResponse(BaseModel):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, str] | None = None
    outputs: list[ResponseOutput]


class TensorMetadata(BaseModel):
    """A tensor of the model: -1 is the number of rows."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: dict[str, Any]


class ModelMetadata(BaseModel):
    """The model and its tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Any]


class ServerMetadata(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]
