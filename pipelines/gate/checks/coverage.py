"""For whom is it good enough: groups with too few rows, or served worse than by the baseline, get no answer.

What is small vanishes in a mean. A group is left out by name; the release carries the list, and the server says so.
"""

from __future__ import annotations

import numpy as np

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.coverage import Excluded, Segment, too_few
from tremplin.groups import Grouping, grouping, simultaneous


def segments(material: Material) -> list[Segment]:
    """Every segment of the pilot (its sites are one), with the groups that are served and those that are not."""
    return [segment for segment, _ in _judged(material)]


def coverage(material: Material) -> Check:
    """Only few rows go without an answer."""
    limit = material.pilot.file.gate.coverage.excluded_limit
    out, said = np.zeros(len(material.labels), dtype=bool), []
    for segment, cut in _judged(material):
        left = {tuple(excluded.group) for excluded in segment.excluded}
        out |= np.isin(cut.codes, [code for code, name in enumerate(cut.names) if name in left])
        said += [segment.said(excluded.group, excluded.reason) for excluded in segment.excluded]
    share = float(out.mean())
    return Check(
        id="coverage",
        requirement="Share of rows in groups too small or served too badly to be answered",
        value=share,
        limit=limit,
        passed=share <= limit,
        evidence=f"{int(out.sum()):,} of {len(out):,} rows get no answer: {'; '.join(said)}"
        if said
        else "every group is served",
        source="model.onnx and baseline.pkl on evaluation.parquet; pilot.yaml gate.coverage",
    )


def _judged(material: Material) -> list[tuple[Segment, Grouping]]:
    settings, contract = material.pilot.file.gate.coverage, material.pilot.contract
    declared = ([[contract.site]] if contract.site else []) + settings.segments
    cuts = [grouping(material.evaluation, [contract.column(name) for name in names]) for names in declared]
    counts = [np.bincount(cut.codes, minlength=len(cut.names)) for cut in cuts]
    worse = _worse_than_baseline(material, cuts, counts)
    judged = []
    for cut, rows, reasons in zip(cuts, counts, worse, strict=True):
        excluded = [
            Excluded(group=list(name), rows=int(count), reason=reason)
            for name, count, poor in zip(cut.names, rows, reasons, strict=True)
            if (
                reason := too_few(int(count), settings.minimum_rows)
                if count < settings.minimum_rows
                else poor
            )
        ]
        left = [tuple(one.group) for one in excluded]
        served = [list(name) for name in cut.names if name not in left]
        judged.append(
            (
                Segment(
                    columns=cut.columns, minimum_rows=settings.minimum_rows, served=served, excluded=excluded
                ),
                cut,
            )
        )
    return judged


def _worse_than_baseline(
    material: Material, cuts: list[Grouping], counts: list[np.ndarray]
) -> list[list[str | None]]:
    """For each group of each cut the reason, if the baseline is better there, beyond the margin and what chance explains."""
    settings, how, days = material.pilot.file.gate.coverage, material.how, material.days
    if not cuts:
        return []
    loss = material.loss - (material.baseline - material.labels) ** 2
    sums = np.hstack([cut.by_day(loss, days) for cut in cuts])
    rows = np.hstack([cut.by_day(np.ones_like(loss), days) for cut in cuts])
    large = np.concatenate(counts) >= settings.minimum_rows
    weights = how.weights(len(sums))
    values = sums.sum(axis=0) / rows.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (weights @ sums[:, large]) / (weights @ rows[:, large])
    low, high = np.full_like(values, -np.inf), np.full_like(values, np.inf)
    low[large], high[large] = simultaneous(values[large], drawn, how)
    reasons = [
        f"the baseline is better there, {material.task.loss_name} {value:+.3f} [{least:+.3f}, {most:+.3f}]"
        if least > settings.baseline_margin
        else None
        for value, least, most in zip(values, low, high, strict=True)
    ]
    ends = np.cumsum([len(count) for count in counts]).tolist()
    return [reasons[start:end] for start, end in zip([0, *ends], ends, strict=False)]


CHECKS: list[CheckFunction] = [coverage]
