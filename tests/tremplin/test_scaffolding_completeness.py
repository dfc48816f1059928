"""How empty a new pilot's columns may be: its own weeks pass, one that fell silent or was filled in does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.tremplin.scaffolded import World, jobs, world
from tremplin.pilot import undecided

ROWS = 3000  # one every half hour: 168 a week and site


def table(missing: float, *, silent: bool = False) -> pd.DataFrame:
    """Orders of two sites; ``silent``: the north's seals are missing from the 20th to the 40th day."""
    random = np.random.default_rng(8)
    rows = jobs(ROWS)
    rows["placed"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(ROWS) * 0.5, unit="h")
    rows["site"] = np.where(np.arange(ROWS) % 2, "north", "south")
    rows["seal"] = pd.Series(random.uniform(0, 9, ROWS).round(1)).mask(random.random(ROWS) < missing)
    days = (rows["placed"] - rows["placed"].min()).dt.days
    return rows.assign(seal=rows["seal"].mask(silent & (rows["site"] == "north") & days.between(20, 40)))


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def test_a_column_may_be_as_empty_as_it_was_and_a_person_is_asked_why(here: World) -> None:
    here.new(table(0.1), target="late", site="site")
    seal = here.pilot().contract.column("seal").completeness
    assert seal is not None
    shares = here.rows()["seal"].isna().groupby(np.arange(ROWS) // 336).mean()
    assert all(seal.keeps(float(share)) for share in shares)
    assert not seal.keeps(0.4)
    assert not seal.keeps(0.0), (
        "where a tenth is always missing, none missing is something that fills them in"
    )
    assert any("why is it missing?" in str(place) for place in undecided(here.pilot()))


@pytest.mark.parametrize("rare", [0.0, 0.001])
def test_what_is_always_or_nearly_always_there_may_be_complete(here: World, rare: float) -> None:
    here.new(table(rare), target="late", site="site")
    seal = here.pilot().contract.column("seal").completeness
    assert (seal is None) == (rare == 0)
    assert seal is None or (seal.keeps(0.0) and not seal.keeps(0.2))


def test_of_a_column_that_was_silent_for_a_week_nothing_can_be_agreed(here: World) -> None:
    here.new(table(0.05, silent=True), target="late", site="site")
    assert here.pilot().contract.column("seal").completeness is None
