"""The model card that ships in the release: what the model is for, how good it was, on what, and what it must not do.

Source: Mitchell et al. (2019), "Model cards for model reporting". Everything in it is read from the pilot's files and evidence.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from governance.origin import origin_of
from tremplin.charter import ClassificationCharter
from tremplin.journal import Entry
from tremplin.pilot import Pilot


def model_card(
    pilot: Pilot,
    *,
    version: int,
    commit: str,
    as_of: datetime,
    snapshot: dict[str, Any],
    modeling: dict[str, Any],
    evaluation: dict[str, Any],
    verdict: dict[str, Any],
    approval: Entry,
) -> str:
    """The card as Markdown.

    Args:
        snapshot: ``snapshot.json``.
        modeling: ``4-modeling.json``; ``evaluation``: ``5-evaluation.json``; ``verdict``: the gate's, as JSON's types.
    """
    charter, contract = pilot.charter, pilot.contract
    stand_in = " (a stand-in of the demo, not a person's decision)" if approval.facts["stand_in"] else ""
    author = ", ".join(person.name for person in charter.people if "author" in person.may)
    return (
        "\n\n".join(
            [
                f"# {charter.title}: version {version}",
                (
                    f"Pilot `{pilot.name}`, data as of {as_of:%Y-%m-%d}, code {commit[:12]}, model `{modeling['winner']}`. "
                    f"Made by {author}; owner {charter.owner}; approved by {approval.by}, {approval.facts['role']}{stand_in}."
                ),
                f"## What it is for\n\n{charter.problem.strip()}\n\n{charter.decision.strip()}",
                _errors(pilot),
                f"## What it is not for\n\n{contract.description.limitations.strip()}",
                (
                    f"## Data\n\n{contract.description.purpose}. {contract.schema_[0].dataGranularityDescription}. "
                    f"{len(contract.features)} features: {', '.join(feature.name for feature in contract.features)}."
                ),
                f"Snapshot {snapshot['sha256'][:12]}: {origin_of(snapshot)}.",
                f"## How good it was\n\n{_measurements(evaluation)}",
                f"## What the gate checked\n\n{_checks(verdict)}",
                (
                    f"## Law\n\nAI Act: {charter.ai_act.risk_class} risk. {charter.ai_act.rationale}\n\n"
                    f"GDPR: {'' if charter.gdpr.personal_data else 'no '}personal data; {charter.gdpr.legal_basis}; "
                    f"kept {charter.gdpr.retention_days} days."
                ),
            ]
        )
        + "\n"
    )


def _errors(pilot: Pilot) -> str:
    """What an error costs."""
    charter, target = pilot.charter, pilot.contract.column(pilot.contract.target)
    if isinstance(charter, ClassificationCharter):
        return (
            f"Decision threshold {charter.decision_threshold:g}: a false alarm costs {charter.costs.false_alarm:g} "
            f"{charter.costs.currency}, a miss {charter.costs.missed:g}."
        )
    scale, unit = pilot.contract.scale, target.unit or "unit"
    return (
        f"It answers an amount, `{target.name}`, from {scale.low:g} to {scale.high:g} {unit}: each {unit} too high costs "
        f"{charter.costs.over:g} {charter.costs.currency}, each {unit} too low {charter.costs.under:g}."
    )


def _measurements(evaluation: dict[str, Any]) -> str:
    """Whatever has an interval, over all rows, then by site where it was measured there too."""
    groups = {"all": evaluation, **evaluation.get("by_site", {})}
    names = sorted(name for name, value in evaluation.items() if isinstance(value, dict) and "low" in value)
    lines = [f"| measure | {' | '.join(groups)} |", "|---" * (len(groups) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(_interval(group.get(name)) for group in groups.values())} |"
        for name in names
    ]
    rows = " | ".join(f"{group['rows']:,}" for group in groups.values())
    return "\n".join([*lines, f"| rows | {rows} |"])


def _interval(found: dict[str, float | None] | None) -> str:
    return (
        "-" if found is None else f"{_text(found['value'])} [{_text(found['low'])}, {_text(found['high'])}]"
    )


def _checks(verdict: dict[str, Any]) -> str:
    lines = ["| check | measured | limit | evidence |", "|---|---|---|---|"]
    lines += [
        f"| {c['id']} | {_text(c['value'])} | {_text(c['limit'])} | {c['evidence'].replace('|', '/')} |"
        for c in verdict["checks"]
    ]
    return "\n".join(lines)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
