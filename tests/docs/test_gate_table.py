"""docs/gate-table.md shows the models of the list, all of them and no other, and what it says of each is what the tests ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gates.variants import PILOTS, VARIANTS

PAGE = (Path(__file__).parents[2] / "docs" / "gate-table.md").read_text("utf-8")
SECTIONS = {part.split("`")[1]: part for part in re.split(r"(?m)^## ", PAGE)[1:]}


def lines(pilot: str) -> list[list[str]]:
    """Cells of the table: name, how it was made, verdict, blocked by, measured."""
    table = [line for line in SECTIONS[pilot].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("pilot", PILOTS)
def test_the_page_shows_the_list(pilot: str) -> None:
    listed = [(one.name, one.made) for one in VARIANTS if pilot in one.pilots]
    assert [(name, made) for name, made, *_ in lines(pilot)] == listed


@pytest.mark.parametrize("pilot", PILOTS)
def test_each_bad_one_was_blocked_by_its_own_check_and_no_honest_one_by_any(pilot: str) -> None:
    told = {name: (verdict, re.findall(r"`([a-z-]+)`", fired)) for name, _, verdict, fired, _ in lines(pilot)}
    for variant in (one for one in VARIANTS if pilot in one.pilots):
        verdict, fired = told[variant.name]
        assert fired[:1] == ([variant.own] if variant.own else []), variant.name
        assert verdict == ("BLOCKED" if fired else "passes"), variant.name
