"""How differently a group of people is treated: one measure of it, against everyone else's."""

from __future__ import annotations

from collections.abc import Sequence

from tremplin.charter import FairnessMeasure
from tremplin.contract import Strict

NAMES: dict[FairnessMeasure, str] = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "mean_answer": "mean answer",  # as a share of the target's range
    "calibration": "observed/expected",
}


class Gap(Strict):
    """A measure of one group minus that of everyone else; the interval holds for all gaps of a verdict at once."""

    column: str
    group: str
    measure: FairnessMeasure
    rows: int  # of the group, in the evaluation
    own: float  # the group's own measure
    value: float
    low: float
    high: float
    limit: float | None  # None where the pilot does not limit this measure by this column

    @property
    def proven(self) -> bool:
        """Whether the whole interval lies beyond the limit."""
        return self.limit is not None and (self.low > self.limit or self.high < -self.limit)

    @property
    def open(self) -> bool:
        """Whether a part of the interval does, so that nobody knows."""
        return self.limit is not None and not self.proven and max(-self.low, self.high) > self.limit

    @property
    def size(self) -> float:
        """How many times its limit the gap is; the gap itself where there is none."""
        return abs(self.value) / (self.limit or 1)

    @property
    def place(self) -> str:
        """Group and measure in words."""
        return f"{self.column}={self.group} {NAMES[self.measure]}"

    def __str__(self) -> str:
        return f"{self.place} {self.own:.3f}, {self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def gaps_markdown(gaps: Sequence[Gap], title: str = "Fairness by group") -> str:
    """A Markdown table of every group and measure; empty where there is none."""
    if not gaps:
        return ""
    head = (
        f"\n## {title}\n\nEach gap is the group's measure minus everyone else's; all intervals hold at once.\n\n"
        "| column | group | rows | measure | own | gap | limit | |\n|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(f"| {' | '.join(_cells(gap))} |\n" for gap in gaps)


def _cells(gap: Gap) -> list[str]:
    verdict = (
        "beyond" if gap.proven else "open" if gap.open else "within" if gap.limit is not None else "shown"
    )
    interval = f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
    limit = "-" if gap.limit is None else f"{gap.limit:g}"
    group = gap.group.replace("|", "/")
    return [
        gap.column,
        group,
        f"{gap.rows:,}",
        NAMES[gap.measure],
        f"{gap.own:.3f}",
        interval,
        limit,
        verdict,
    ]
