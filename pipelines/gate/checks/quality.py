"""Is it good enough: better than the baseline, and not worse than what answers today."""

from __future__ import annotations

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import mean_difference, skill


def baseline(material: Material) -> Check:
    """The baseline is beaten by more than chance and by enough to pay for a model."""
    limit = material.pilot.file.gate.baseline_margin
    loss = (material.baseline - material.labels) ** 2
    found = skill(material.brier, loss, material.days, material.how)
    return Check(
        id="baseline",
        requirement="Brier skill over the baseline; the interval's low end clears the margin",
        value=found.value,
        limit=limit,
        interval=(found.low, found.high),
        passed=found.low >= limit,
        evidence=f"Brier {material.brier.mean():.4f}, baseline {loss.mean():.4f}; {material.sampled}",
        source="model.onnx and baseline.pkl on evaluation.parquet; pilot.yaml gate.baseline_margin",
    )


def champion(material: Material) -> Check:
    """The challenger is not worse than what answers today (non-inferiority on the same rows)."""
    limit = material.pilot.file.gate.champion_margin
    found, passed = None, material.champion is None
    if material.champion is None:
        evidence = "there is no champion yet: nothing to compare with"
    elif material.champion_scores is None:
        evidence = f"no comparison on the same rows: {material.champion_fault}"
    else:
        loss = (material.champion_scores - material.labels) ** 2
        found = mean_difference(material.brier, loss, material.days, material.how)
        passed = found.high <= limit
        evidence = f"Brier {material.brier.mean():.4f}, champion {material.champion} {loss.mean():.4f}; {material.sampled}"
    return Check(
        id="champion",
        requirement="Brier loss against the champion; the interval's high end stays within the margin",
        value=found.value if found else None,
        limit=limit,
        interval=(found.low, found.high) if found else None,
        passed=passed,
        evidence=evidence,
        source="model.onnx and the champion's on evaluation.parquet; pilot.yaml gate.champion_margin",
    )


CHECKS: list[CheckFunction] = [baseline, champion]
