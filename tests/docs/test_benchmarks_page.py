"""docs/benchmarks.md says what docs/benchmarks.json holds, and a goal is met or not by the figures alone."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.contest.page import BEGIN, END, line, section

DOCS = Path(__file__).parents[2] / "docs"


def test_every_number_of_the_page_is_of_the_figures() -> None:
    figures = DOCS / "benchmarks.json"
    shown = (DOCS / "benchmarks.md").read_text("utf-8").split(BEGIN)[1].split(END)[0].strip()
    measured = section(json.loads(figures.read_text("utf-8"))) if figures.exists() else "Not measured yet."
    assert shown == measured.strip()


def test_a_goal_is_met_at_its_limit_and_not_beyond() -> None:
    assert "| met |" in line("rate", 2.0, 2.0, "times")
    assert "| **not met** |" in line("rate", 2.0, 1.99, "times")
    assert "| met |" in line("time", 5.0, 5.0, " ms", most=True)
    assert "| **not met** |" in line("time", 5.0, 5.01, " ms", most=True)
