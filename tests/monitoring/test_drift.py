"""Drift: quiet between halves of a month, loud between winter and summer, and offline."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitoring.drift import drift
from monitoring.evidence import DriftEvidence
from tremplin.frame import model_frame
from tremplin.pilot import Pilot


@pytest.fixture(scope="module")
def quick(pilot: Pilot) -> Pilot:
    """The pilot with a small sample."""
    policy = pilot.file.monitoring.model_copy(update={"drift_sample": 3000})
    return replace(pilot, file=pilot.file.model_copy(update={"monitoring": policy}))


@pytest.fixture(scope="module")
def july(pilot: Pilot) -> pd.DataFrame:
    rows: pd.DataFrame = pilot.source.fetch(
        datetime(2013, 7, 1, 4, tzinfo=UTC), datetime(2013, 8, 1, 4, tzinfo=UTC)
    )
    return rows


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any attempt to reach another machine fails the test."""

    def refuse(*address: object) -> None:
        raise AssertionError(f"a connection to {address}")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


def compared(now: pd.DataFrame, then: pd.DataFrame, pilot: Pilot, folder: Path) -> DriftEvidence:
    return drift(
        now, model_frame(then, pilot.contract), pilot, html=folder / "d.html", json=folder / "d.json"
    )


def test_halves_of_a_month_do_not_drift(
    quick: Pilot, january: pd.DataFrame, tmp_path: Path, offline: None
) -> None:
    half = np.random.default_rng(1).random(len(january)) < 0.5
    found = compared(january[half], january[~half], quick, tmp_path)
    assert found.why_not is None
    assert not found.drifted
    assert found.moved == []
    assert set(found.columns) == {feature.name for feature in quick.contract.features}
    assert max(column.effect or 0 for column in found.columns.values()) < 0.15
    assert found.columns["origin"].method == "jensenshannon"
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_the_summer_drifts_in_weather_and_the_page_opens_without_a_network(
    quick: Pilot, january: pd.DataFrame, july: pd.DataFrame, tmp_path: Path, offline: None
) -> None:
    gone = july.assign(seats=np.nan, plane_age=july["plane_age"].mask(july.index % 2 == 0))
    found = compared(gone, january, quick, tmp_path)
    assert found.drifted
    assert found.columns["temp"].drifted
    assert (found.columns["temp"].effect or 0) > 2
    assert not found.columns["origin"].drifted
    assert not found.columns["weekday"].drifted
    # Values that stopped coming: nothing to compare, and drift all the same.
    assert found.columns["seats"].effect is None
    assert found.columns["seats"].drifted
    assert found.columns["plane_age"].drifted
    assert found.share_drifted == len(found.moved) / len(quick.contract.features)
    page = (tmp_path / "d.html").read_text("utf-8")
    assert not re.search(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=[\"']?(?:https?:)?//", page)
    report = json.loads((tmp_path / "d.json").read_text("utf-8"))
    assert {m["config"].get("column") for m in report["metrics"]} >= {"temp", "origin"}
    again = compared(gone, january, quick, tmp_path)
    assert again == found


def test_few_rows_are_not_compared_and_an_old_page_does_not_stay(
    quick: Pilot, january: pd.DataFrame, july: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "d.html").write_text("of an earlier run")
    found = compared(july.iloc[:999], january, quick, tmp_path)
    assert found.why_not == "999 rows to compare of at least 1,000"
    assert not found.drifted
    assert list(tmp_path.iterdir()) == []
