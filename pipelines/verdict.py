"""What the gate says: one line a check, with what was measured, against which limit, on which evidence."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from tremplin.canonical import canonical, digest
from tremplin.contract import Strict
from tremplin.coverage import Segment
from tremplin.gaps import Gap, gaps_markdown

if TYPE_CHECKING:
    from rich.table import Table


def _number(value: float | None) -> float | None:
    """Seven significant digits (the same on every CPU); what is not a finite number has no form in JSON."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.7g}")


Number = Annotated[float | None, AfterValidator(_number)]


class Check(Strict):
    """One requirement, measured."""

    id: str
    requirement: str
    value: Number
    limit: Number
    interval: tuple[Number, Number] | None = (
        None  # at the confidence of pilot.yaml; None where nothing was sampled
    )
    passed: bool
    evidence: str
    source: str  # what was read and where the limit stands


class Verdict(Strict):
    """Every check of one model. It passes only if all do."""

    pilot: str
    as_of: datetime
    passed: bool
    model_hash: str  # SHA-256 of the model.onnx that was judged
    champion: str | None  # the release it was compared with
    checks: Annotated[list[Check], Field(min_length=1)]
    coverage: list[Segment]  # the groups that it may answer, and those it may not
    fairness: list[Gap]  # every protected group that is large enough, by each measure

    @property
    def blocked_by(self) -> list[str]:
        """Ids of the checks that did not pass."""
        return [check.id for check in self.checks if not check.passed]


def facts(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON's types."""
    return verdict.model_dump(mode="json")


def canonical_json(verdict: Verdict) -> bytes:
    """The bytes that ``verdict_hash`` is of."""
    return canonical(facts(verdict))


def verdict_hash(verdict: Verdict) -> str:
    """SHA-256 of the verdict's canonical JSON."""
    return digest(facts(verdict))


def verdict_markdown(verdict: Verdict) -> str:
    """A Markdown table, for MLflow and for a pull request."""
    title = f"# Gate: {verdict.pilot}, {'passed' if verdict.passed else 'BLOCKED by ' + ', '.join(verdict.blocked_by)}\n\n"
    head = "| check | measured | limit | verdict | evidence |\n|---|---|---|---|---|\n"
    lines = "".join(f"| {' | '.join(_cells(check))} |\n" for check in verdict.checks)
    return title + head + lines + gaps_markdown(verdict.fairness)


def verdict_table(verdict: Verdict) -> Table:
    """A table for the console."""
    from rich.table import Table
    from rich.text import Text

    title = "passed" if verdict.passed else f"BLOCKED by {', '.join(verdict.blocked_by)}"
    table = Table(
        "check", "measured", "limit", "verdict", "evidence", title=f"Gate: {verdict.pilot}, {title}"
    )
    for check in verdict.checks:
        name, measured, limit, passed, evidence = _cells(check)
        style = "green" if check.passed else "bold red"
        table.add_row(Text(name), Text(measured), Text(limit), Text(passed, style=style), Text(evidence))
    return table


def _cells(check: Check) -> list[str]:
    measured = "-" if check.value is None else f"{check.value:.4g}"
    if check.interval is not None:
        low, high = ("?" if bound is None else f"{bound:.4g}" for bound in check.interval)
        measured += f" [{low}, {high}]"
    limit = "-" if check.limit is None else f"{check.limit:.4g}"
    return [
        check.id,
        measured,
        limit,
        "passed" if check.passed else "BLOCKED",
        check.evidence.replace("|", "/"),
    ]
