"""The page of a window, in Markdown: what was measured, for who reads no JSON. Beside the evidence, and on the run in MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from monitoring.decision import Decision
from monitoring.evidence import AmountMeasures, FairnessEvidence, Measure, Measures, WindowEvidence
from monitoring.fairness import summary
from tremplin.gaps import gaps_markdown


def write_page(folder: Path, evidence: WindowEvidence, decision: Decision) -> Path:
    """Write ``<window>.md`` beside the evidence, and say where."""
    path = folder / f"{evidence.window}.md"
    path.write_text("\n".join(_lines(evidence, decision)) + "\n", "utf-8")
    return path


def _lines(evidence: WindowEvidence, decision: Decision) -> Iterator[str]:
    yield f"# {evidence.pilot} {evidence.window}: {decision.action}\n"
    yield f"Release {evidence.release_id}, as of {evidence.as_of:%Y-%m-%d}.\n"
    yield from (f"- {reason}" for reason in decision.reasons)
    yield from _performance(evidence)
    if evidence.fairness:
        yield from _fairness(evidence.fairness)
    yield from _drift(evidence)


def _performance(evidence: WindowEvidence) -> Iterator[str]:
    found = evidence.performance
    yield "\n## Performance\n"
    yield f"{found.labelled:,} of {found.rows:,} answers have an outcome.{f' {found.why_not}.' if found.why_not else ''}\n"
    measured = {"all": (found.labelled, found.measures)} | {
        name: (site.labelled, site.measures) for name, site in found.sites.items()
    }
    names = list((AmountMeasures if "concordance" in found.evaluation else Measures).model_fields)
    yield from _table(
        ["", "outcomes", *(name.replace("_", " ") for name in names)],
        [
            [name, f"{labelled:,}", *(_bounds(getattr(measures, each, None)) for each in names)]
            for name, (labelled, measures) in measured.items()
        ],
    )
    at = ", ".join(f"{name.replace('_', ' ')} {_bounds(value)}" for name, value in found.evaluation.items())
    yield f"\nAt the evaluation: {at}. Each bound holds with {found.confidence:.0%} confidence."


def _fairness(found: FairnessEvidence) -> Iterator[str]:
    yield f"\n## Fairness\n\n{summary(found)[0].upper()}{summary(found)[1:]}."
    for over, gaps in groupby(found.gaps, key=lambda gap: gap.over):
        yield gaps_markdown(list(gaps), f"By group, {over}")
    if found.small:
        yield f"Too few people to judge: {', '.join(found.small)}. Still smaller groups are not named."


def _drift(evidence: WindowEvidence) -> Iterator[str]:
    found = evidence.drift
    yield "\n## Drift\n"
    if found.why_not:
        yield f"{found.why_not}."
        return
    yield f"{len(found.moved)} of {len(found.columns)} features are beyond {found.threshold:g}.\n"
    yield from _table(
        ["feature", "method", "effect", "missing values", ""],
        [
            [
                name,
                column.method,
                "-" if column.effect is None else f"{column.effect:.3f}",
                f"{column.missing_effect:.3f}",
                "drifted" if column.drifted else "",
            ]
            for name, column in found.columns.items()
        ],
    )


def _bounds(measure: Measure | None) -> str:
    return "-" if measure is None else f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
