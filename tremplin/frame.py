"""DataFrames between the contract and the model."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tremplin.contract import Contract


def model_frame(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The features as the model sees them, in training and in ONNX alike.

    Numbers become float32 (what ONNX holds: a split at a float64 threshold could fall on the other side of it), missing ones
    stay NaN; text becomes Python strings, missing text is "".
    """
    columns = {}
    for feature in contract.features:
        values = rows[feature.name]
        if feature.numeric:
            columns[feature.name] = values.astype("float32")
        else:
            columns[feature.name] = values.astype(object).where(values.notna(), "").astype(str).astype(object)
    return pd.DataFrame(columns, index=rows.index)


def model_columns(frame: pd.DataFrame) -> dict[str, Any]:
    """A model frame column by column, as ``OnnxModel.score`` takes it: each of shape (n,)."""
    return {str(name): frame[name].to_numpy() for name in frame}
