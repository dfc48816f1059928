"""A pilot's folder of its own for each test, to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.postgres import postgres
from tremplin.settings import load_settings
from tremplin.store import open_store

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty store, of both kinds that are supported."""
    if request.param == "sqlite":
        made = open_store(load_settings(root=tmp_path))
    else:
        made = open_store(load_settings(root=tmp_path, store_url=request.getfixturevalue("postgres_url")))
        with made.begin() as connection:
            connection.execute(sa.text("TRUNCATE predictions, outcomes, journal, live"))
    yield made
    made.dispose()
