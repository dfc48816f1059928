"""The two documents that say what only a person can know: ``contract.yaml`` and ``pilot.yaml``."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import yaml

from tremplin.charter import FAIRNESS_MEASURES
from tremplin.scaffolding.amounts import Amounts
from tremplin.scaffolding.entries import Entry
from tremplin.scaffolding.question import Question
from tremplin.scaffolding.ranges import ROOM
from tremplin.scaffolding.spelling import filled
from tremplin.scaffolding.window import ENOUGH_ROWS, ENOUGH_YES
from tremplin.target import Task

INDENT = " " * 8
CHOICE = """  fairness:
    limited: [{}]  # changeme: or {}; not all can be equal
    reason: "changeme: which error harms people most here"
"""
LIMITS = """  fairness:
    minimum_rows: 100
    limits: {{{}: {}}}  # changeme: by protected column
"""
FAIRNESS = {False: "true_positive_rate", True: "calibration"}  # of an amount: whether it holds for everyone
YES_OR_NO = {
    "costs": """{currency: EUR, false_alarm: 1, missed: 1}  # changeme: what each error costs
  decision_threshold: 0.5  # false_alarm / (false_alarm + missed)""",
    "loss": "Brier score",
    "against": "of never acting",
    "linear": "{C: 0.1}  # inverse strength of the L2 penalty",
    "enough": f"{ENOUGH_ROWS:,} rows and {ENOUGH_YES} of either answer",
}
AMOUNT = {
    "costs": """{currency: EUR, over: 1, under: 1}  # changeme: what one unit of the target costs that an answer is too high or
  # too low. The models answer the mean, which is cheapest where both cost the same
  decision_threshold: null  # an amount is no decision""",
    "loss": "squared error",
    "against": "of baseline()",
    "linear": "{alpha: 10.0}  # strength of the L2 penalty",
    "enough": f"{ENOUGH_ROWS:,} rows",
}


def contract(name: str, file_name: str, question: Question, entries: list[Entry]) -> str:
    """The text of ``contract.yaml``."""
    return filled(
        "contract.yaml",
        name=name,
        file_name=file_name,
        room=ROOM,
        title=_flow(name.replace("_", " ").replace("-", " ").capitalize()),
        usage=_flow(f"Say {question.words}." if question.amount else f"Say whether {question.words}."),
        table=_flow(f"Rows of {file_name}"),
        granularity=_flow(f"One row a line of {file_name}"),
        columns="\n".join(map(_column, entries)),
    )


def pilot(name: str, file_name: str, question: Question, entries: list[Entry], found: Amounts) -> str:
    """The text of ``pilot.yaml``."""
    personal = [entry.name for entry in entries if entry.suspected == "personal"]
    words = (
        f"suspected in {', '.join(personal)}" if personal else "none was suspected, and a person knows better"
    )
    protected = [entry.name for entry in entries if "protected" in entry.fields["tags"]]
    fairness = FAIRNESS[question.amount]
    others = ", ".join(m for m in FAIRNESS_MEASURES[_task(question)] if m != fairness)
    return filled(
        "pilot.yaml",
        fairness_choice=CHOICE.format(fairness, others) if protected else "",
        fairness_limits=LIMITS.format(fairness, _flow(dict.fromkeys(protected, 0.1))) if protected else "",
        name=name,
        file_name=file_name,
        title=_flow(f"Changeme: {question.words}"),
        risk_class="high" if personal else "minimal",
        personal_data="true" if personal else "false",
        personal_words=words,
        legal_basis="changeme" if personal else '"changeme: none needed if no personal data is processed"',
        **(AMOUNT if question.amount else YES_OR_NO),
        **{key: _spelled(value) for key, value in (asdict(found) | asdict(found.losses)).items()},
    )


def _spelled(value: Any) -> str:
    """As YAML reads it: to some readers 5e-05 is a text, 5.0e-05 a number."""
    return re.sub(r"^(\d)e", r"\1.0e", str(value)) if isinstance(value, float) else str(value)


def _task(question: Question) -> Task:
    return Task.REGRESSION if question.amount else Task.CLASSIFICATION


def _column(entry: Entry) -> str:
    lines = []
    for key, value in entry.fields.items():
        remark = f"  # {entry.remark}" if key == "tags" and entry.remark else ""
        lines.append(f"{INDENT}{key}: {_flow(value)}{remark}")
    return "\n".join(lines).replace(INDENT, f"{INDENT[2:]}- ", 1)


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    return dumped.removesuffix("\n").removesuffix("\n...").strip()
