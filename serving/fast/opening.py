"""From a release's folder ``fast/`` to what answers by it, once it gave the answers of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.fast.interface import Fast, NoFastPath
from serving.fast.linear import FastLinear
from serving.fast.trees import FastTrees
from tremplin.contract import Contract
from tremplin.fast_form import BOOSTER, ENCODING, Column, FastForm, Linear
from tremplin.onnx_model import OnnxModel

Row = dict[str, Any]
UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # a category that no training row had


def open_fast(folder: Path, contract: Contract) -> Fast:
    """What answers by ``folder``, whose files were verified.

    Raises:
        NoFastPath: it is not there or cannot be used on this machine.
    """
    if not folder.is_dir():
        raise NoFastPath("its model is neither trees of LightGBM nor linear on columns of one feature each")
    try:
        form = FastForm.model_validate_json((folder / ENCODING).read_bytes()).model
        _check_features(form.columns, contract)
        if isinstance(form, Linear):
            return FastLinear(form, contract)
        return FastTrees(form, (folder / BOOSTER).read_bytes(), contract)
    except (OSError, ValueError, KeyError) as error:
        raise NoFastPath(f"its folder {folder.name} cannot be read: {error}") from error


def check_agreement(
    fast: Fast,
    model: OnnxModel,
    rows: Sequence[Row],
    ranges: Mapping[str, tuple[float, float]],
    tolerance: float,
) -> None:
    """Try it on ``rows``, and on each with one feature missing, of an unknown category, or at an end of training's range.

    Raises:
        NoFastPath: an answer differs from that of ONNX Runtime, which is the reference, by more than the tolerance.
    """
    blank = dict.fromkeys(feature.name for feature in model.features)
    tried = [
        {**blank, **row, feature.name: value}
        for row in rows
        for feature in model.features
        for value in (
            row.get(feature.name),
            *((None,) if feature.nullable else ()),
            *(ranges.get(feature.name, ()) if feature.numeric else (UNKNOWN,)),
        )
    ]
    reference = model.score(
        {feature.name: [row[feature.name] for row in tried] for feature in model.features}
    )
    answers = np.array([fast.score_row(row) for row in tried])
    differing = ~np.isclose(answers, reference, rtol=0.0, atol=tolerance, equal_nan=True)
    if differing.any():
        largest = np.max(np.abs(answers - reference)[differing])
        raise NoFastPath(
            f"its answers to {differing.sum()} of {len(tried)} smoke rows differ from those of model.onnx by up to "
            f"{largest:.2g}, where {tolerance:.2g} is allowed"
        )


def _check_features(columns: Sequence[Column], contract: Contract) -> None:
    """A column of something that no caller sends, or of another kind, would fail at the first request."""
    numeric = {feature.name: feature.numeric for feature in contract.features}
    wrong = sorted({c.feature for c in columns if numeric.get(c.feature) is not (c.kind == "curve")})
    if wrong:
        raise ValueError(f"the contract has no such features, or has them otherwise: {', '.join(wrong)}")
