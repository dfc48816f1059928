"""Can its score be read as a probability, which the threshold of the charter is."""

from __future__ import annotations

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import calibration_error


def calibration(material: Material) -> Check:
    """A score of 30 % means 30 %: the threshold of the charter is a probability."""
    limit, value = (
        material.pilot.file.gate.calibration_limit,
        calibration_error(material.labels, material.scores),
    )
    return Check(
        id="calibration",
        requirement="Expected calibration error over ten bins of equal count",
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=f"mean score {material.scores.mean():.3f}, share of positives {material.labels.mean():.3f}",
        source="model.onnx on evaluation.parquet; pilot.yaml gate.calibration_limit",
    )


CHECKS: list[CheckFunction] = [calibration]
