"""Will it do in operation what it did when it was trained."""

from __future__ import annotations

import numpy as np

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check


def parity(material: Material) -> Check:
    """The exported model is the trained one, on every evaluation row."""
    limit, gaps = material.pilot.file.gate.parity_limit, np.abs(material.scores - material.trained)
    worst = float(gaps.max())
    return Check(
        id="parity",
        requirement="Largest difference of a probability between model.onnx and the trained pipeline",
        value=worst,
        limit=limit,
        passed=worst <= limit,
        evidence=f"{int((~(gaps <= limit)).sum()):,} of {len(gaps):,} rows differ by more than the limit",
        source="model.onnx and pipeline.pkl on evaluation.parquet; pilot.yaml gate.parity_limit",
    )


CHECKS: list[CheckFunction] = [parity]
