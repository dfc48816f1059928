"""What training saw, as numbers that may leave with a release: ranges, bins, and smoke rows that are nobody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tremplin.contract import Column, Contract, Role
from tremplin.onnx_model import OnnxModel

SMOKE_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # each smoke row takes this quantile of every number


def reference_sample(rows: pd.DataFrame, contract: Contract, size: int, seed: int) -> pd.DataFrame:
    """Up to ``size`` training rows, features only, in order: what later windows' drift is measured from."""
    features = rows[[feature.name for feature in contract.features]]
    return features.sample(min(size, len(rows)), random_state=seed).sort_index().reset_index(drop=True)


def profile(rows: pd.DataFrame, contract: Contract, onnx: Path) -> dict[str, Any]:
    """``profile.json``: for each feature the range or categories of training and the shares of its bins; smoke rows, scored."""
    smoke = smoke_rows(rows, contract)
    columns = {feature.name: [row[feature.name] for row in smoke] for feature in contract.features}
    numeric = [feature for feature in contract.features if feature.numeric]
    texts = [feature for feature in contract.features if not feature.numeric]
    return {
        "ranges": {f.name: _range(rows[f.name]) for f in numeric},
        "categories": {f.name: sorted(rows[f.name].dropna().unique()) for f in texts},
        "bins": {
            f.name: _numeric_bins(rows[f.name]) if f.numeric else _text_bins(rows[f.name])
            for f in contract.features
        },
        "smoke": {"rows": smoke, "scores": OnnxModel(onnx, contract).score(columns)},
    }


def _range(values: pd.Series) -> list[float]:
    return [float(values.min()), float(values.max())] if values.notna().any() else []


def _numeric_bins(values: pd.Series) -> dict[str, Any]:
    """Shares between the deciles of the present values; equal deciles are one edge. A value on an edge is below it."""
    present = values.dropna().to_numpy("float64")
    edges = np.unique(np.quantile(present, np.arange(1, 10) / 10)) if len(present) else np.array([])
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return {"edges": edges, "shares": counts / max(len(values), 1), "missing": float(values.isna().mean())}


def _text_bins(values: pd.Series) -> dict[str, Any]:
    shares = values.value_counts(normalize=False).sort_index() / max(len(values), 1)
    return {"values": list(shares.index), "shares": shares.to_numpy(), "missing": float(values.isna().mean())}


def smoke_rows(rows: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """Synthetic requests: each feature from its own margin alone, what is no feature from the contract's examples.

    The last row leaves out what may be missing.
    """
    last = len(SMOKE_LEVELS) - 1
    return [
        {
            column.name: None
            if number == last and not column.required
            else _smoke_value(column, rows, number)
            for column in contract.request_columns
        }
        for number in range(len(SMOKE_LEVELS))
    ]


def _smoke_value(column: Column, rows: pd.DataFrame, number: int) -> Any:
    present = rows[column.name].dropna()
    if Role.FEATURE not in column.tags or present.empty:
        return column.examples[number % len(column.examples)]
    if column.logicalType == "boolean":
        return bool(number % 2)
    if not column.numeric:
        common = present.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
        return str(common[number % len(common)])
    value = float(np.quantile(present.to_numpy("float64"), SMOKE_LEVELS[number]))
    return round(value) if column.logicalType == "integer" else float(f"{value:.6g}")
