"""A pilot's folder of its own for each test, to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.results import ROOT

Edit = Callable[[str, str, str], int]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a copy of the pilot flights."""
    shutil.copytree(ROOT / "pilots" / "flights", tmp_path / "pilots" / "flights")
    return tmp_path


@pytest.fixture
def edit(root: Path) -> Edit:
    """Replaces a text that is there in a file of the pilot; the line (from 1) of the first replacement."""

    def replace(file: str, old: str, new: str) -> int:
        path = root / "pilots" / "flights" / file
        content = path.read_text("utf-8")
        assert old in content
        path.write_text(content.replace(old, new), "utf-8")
        return content[: content.index(old)].count("\n") + 1

    return replace
