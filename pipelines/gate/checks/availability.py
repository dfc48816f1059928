"""Was every column known when the question was asked: what the source said of it when it was cut there."""

from __future__ import annotations

from pipelines.availability import Availability, Difference
from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check


def availability(material: Material) -> Check:
    """The rows are those that the source makes of what was known at the decision."""
    found = material.availability
    passed, said = _judged(found, material)
    return Check(
        id="availability",
        requirement="Columns of a request that are otherwise when the source is cut at the decision",
        value=len(found.differing) if found else None,
        limit=0,
        passed=passed,
        evidence=said,
        source="metadata of snapshot.parquet; pilot.yaml data.decision_lead_minutes, data.uncut_because",
    )


def _judged(found: Availability | None, material: Material) -> tuple[bool, str]:
    if found is None:
        return False, "the snapshot does not say: take it again with `tremplin run`"
    if found.uncut_because is not None:
        return bool(found.uncut_because), (
            f"the source is not cut: {found.uncut_because}"
            if found.uncut_because
            else "fetch() in source.py has no parameter known_at, and data.uncut_because in pilot.yaml does not say why"
        )
    compared = f"{found.rows:,} rows at {len(found.moments)} decisions"
    if found.differing:
        names = "; ".join(_named(difference, material) for difference in found.differing)
        return False, f"of {compared}: {names}"
    if not found.hidden:
        return (
            False,
            f"{compared} kept every outcome that they had: nothing shows that known_at cuts the source",
        )
    confidence = material.pilot.file.gate.confidence
    # No case among n: what p would still hide so with that confidence (Hanley and Lippman-Hand 1983, JAMA 249).
    share = 1 - (1 - confidence) ** (1 / len(found.moments))
    unmoved = [c.name for c in material.pilot.contract.features if c.name not in found.reached]
    reach = ", ".join(found.reached) or "no column"
    return True, (
        f"none in {compared}: a leak at {share:.0%} of all decisions would show with a confidence of {confidence:.0%}. A cut one "
        f"day earlier changes {reach}; it says nothing of {', '.join(unmoved) or 'none'}"
    )


def _named(difference: Difference, material: Material) -> str:
    contract = material.pilot.contract
    what = {
        contract.key: "rows that come or go later",
        contract.target: "outcomes that the cut source still gives",
    }.get(difference.column, "rows")
    # The verdict goes to the journal, which nothing is erased from: examples stay in the snapshot where data is personal.
    personal = material.pilot.charter.gdpr.personal_data
    examples = "" if personal else f", such as {', '.join(difference.examples)}"
    return f"{difference.column} in {difference.rows:,} {what}{examples}"


CHECKS: list[CheckFunction] = [availability]
