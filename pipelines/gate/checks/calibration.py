"""Can its answer be taken at its word: a probability, which the threshold of the charter is, or an amount."""

from __future__ import annotations

from pipelines.draws import Draws
from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.target import Task


def calibration(material: Material) -> Check:
    """A score of 30 % means 30 %, and where it says ten minutes they are ten on average, neither more nor less.

    The error of bins is above zero by sampling alone, .06 of a perfect model on 300 rows. The pivotal interval takes that out: at
    a limit of .05 perfect models of 300 rows and more are blocked in one draw of a hundred, those that are .1 off in six of ten
    at 300 rows and in nine of ten at 1,000.
    """
    limit = material.pilot.file.gate.calibration_limit
    found = Draws(material.days, material.how).calibration_error(material.labels, material.scores).pivotal
    return Check(
        id="calibration",
        requirement="Expected calibration error over ten bins of equal count"
        + (", as a share of the target's range" if material.task is Task.REGRESSION else "")
        + "; the interval's low end stays within the limit",
        value=found.value,
        limit=limit,
        interval=(max(found.low, 0.0), found.high),
        passed=found.low <= limit,
        evidence=_said(material),
        source="model.onnx on evaluation.parquet; pilot.yaml gate.calibration_limit",
    )


def _said(material: Material) -> str:
    contract = material.pilot.contract
    score, observed = (contract.scale.from_unit(side.mean()) for side in (material.scores, material.labels))
    if material.task is Task.CLASSIFICATION:
        means = f"mean score {score:.3f}, share of positives {observed:.3f}"
    else:
        unit = contract.column(contract.target).unit or ""
        means = f"mean answer {score:.4g} {unit}, mean observed {observed:.4g} {unit}"
    drawn = f"{material.how.samples:,} samples of {int(material.days.max()) + 1} days"
    return f"{means}; {drawn}, and what sampling alone adds to the error is taken out of the interval"


CHECKS: list[CheckFunction] = [calibration]
