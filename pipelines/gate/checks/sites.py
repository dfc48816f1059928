"""Is it good everywhere: no site is served much worse than all together."""

from __future__ import annotations

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import Estimate, auc_difference
from tremplin.groups import grouping


def sites(material: Material) -> Check:
    """No site is served much worse than all together, beyond what noise explains."""
    gate, name = material.pilot.file.gate, material.pilot.contract.site
    found, small = {}, []
    if name is not None:
        cut = grouping(material.evaluation, [material.pilot.contract.column(name)])
        for code, (site,) in enumerate(cut.names):
            rows = cut.codes == code
            if rows.sum() < gate.site_minimum_rows:
                small.append(f"{site} ({int(rows.sum()):,} rows)")
            else:
                found[site] = auc_difference(
                    rows, material.labels, material.scores, material.days, material.how
                )
    worst = min(found, key=lambda site: found[site].high, default=None)
    estimate: Estimate | None = found[worst] if worst is not None else None
    below = [site for site in found if not found[site].high >= -gate.site_auc_drop]
    said = (
        ", ".join(f"{site} {found[site].value:+.3f}" for site in found)
        or "no site is large enough to be judged"
    )
    if name is None:
        said = "the contract names no site"
    return Check(
        id="sites",
        requirement=f"{material.task.ranking_name} of every site, against all rows; the interval's high end is not below the "
        "allowed drop",
        value=estimate.value if estimate else None,
        limit=-gate.site_auc_drop,
        interval=(estimate.low, estimate.high) if estimate else None,
        passed=not below,
        evidence=(f"too low: {', '.join(below)}; " if below else "")
        + said
        + (f"; too small to judge: {', '.join(small)}" if small else ""),
        source="model.onnx on evaluation.parquet; pilot.yaml gate.site_auc_drop, gate.site_minimum_rows",
    )


CHECKS: list[CheckFunction] = [sites]
