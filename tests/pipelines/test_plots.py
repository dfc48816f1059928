"""Plots of sites and categories whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.plots import target_by_month
from tremplin.pilot import Pilot


@pytest.mark.parametrize("name", [r"5$ \frac and 10$", "R&D_{", "$", "Zürich (Süd)", "50 %"])
def test_a_site_may_be_called_anything(pilot: Pilot, tmp_path: Path, name: str) -> None:
    rate = {"value": 0.2, "low": 0.1, "high": 0.3}
    groups = {site: {"2013-01": {"labelled": 9, "rate": rate}} for site in (name, "JFK")}
    target_by_month(groups, pilot.contract, tmp_path)
    assert next(tmp_path.glob("*.png")).read_bytes().startswith(b"\x89PNG")
