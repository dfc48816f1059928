"""docs/gate.md explains every check of the gate, names no other, and names the tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.results import Result, judged

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gate.md").read_text("utf-8")


def test_every_check_is_explained_and_no_other(honest_result: Result) -> None:
    explained = re.findall(r"^\| `([a-z-]+)` \| .+\? \|", PAGE, re.MULTILINE)
    assert sorted(explained) == sorted(check.id for check in judged(honest_result).checks)


def test_every_file_of_tests_that_it_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    assert len(named) > 3
    assert [name for name in named if not (ROOT / "tests" / "pipelines" / name).exists()] == []
