"""Can its answer be taken at its word: a probability, which the threshold of the charter is, or an amount."""

from __future__ import annotations

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import calibration_error
from tremplin.target import Task


def calibration(material: Material) -> Check:
    """A score of 30 % means 30 %, and where it says ten minutes they are ten on average, neither more nor less."""
    limit, value = (
        material.pilot.file.gate.calibration_limit,
        calibration_error(material.labels, material.scores),
    )
    return Check(
        id="calibration",
        requirement="Expected calibration error over ten bins of equal count"
        + (", as a share of the target's range" if material.task is Task.REGRESSION else ""),
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=_said(material),
        source="model.onnx on evaluation.parquet; pilot.yaml gate.calibration_limit",
    )


def _said(material: Material) -> str:
    contract = material.pilot.contract
    score, observed = (contract.scale.from_unit(side.mean()) for side in (material.scores, material.labels))
    if material.task is Task.CLASSIFICATION:
        return f"mean score {score:.3f}, share of positives {observed:.3f}"
    unit = contract.column(contract.target).unit or ""
    return f"mean answer {score:.4g} {unit}, mean observed {observed:.4g} {unit}"


CHECKS: list[CheckFunction] = [calibration]
