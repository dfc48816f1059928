"""One window measured from the store to the evidence, with a real model's answers about real flights."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from sqlalchemy.engine import Engine

from monitoring.decision import decide
from monitoring.evidence import WindowEvidence, read_history
from monitoring.report import monitor_window
from monitoring.windows import Window, month_window
from tests.monitoring.conftest import Answer
from tremplin.errors import TremplinError
from tremplin.frame import model_frame
from tremplin.pilot import Pilot

if TYPE_CHECKING:
    from tests.conftest import ReleaseFactory

PROFILE = {
    "performance": {
        "roc_auc": {"value": 0.70, "low": 0.68, "high": 0.72},
        "brier": {"value": 0.17, "low": 0.16, "high": 0.18},
        "observed_expected": {"value": 1.0, "low": 0.9, "high": 1.1},
    }
}
AS_OF = datetime(2013, 3, 5, tzinfo=UTC)


@pytest.fixture
def quick(pilot: Pilot) -> Pilot:
    policy = pilot.file.monitoring.model_copy(update={"drift_sample": 2000, "minimum_rows": 2000})
    return replace(pilot, file=pilot.file.model_copy(update={"monitoring": policy}))


@pytest.fixture
def february(pilot: Pilot) -> Window:
    return month_window("2013-02", pilot.file.data.timezone)


def nobody(_start: datetime, _end: datetime) -> pd.DataFrame:
    raise AssertionError("flights has no protected column")


def measured(
    engine: Engine, pilot: Pilot, window: Window, reference: pd.DataFrame, folder: Path, **changed: Any
) -> WindowEvidence:
    given = {"as_of": AS_OF, "release_id": "first", "release_profile": PROFILE, "people": nobody, **changed}
    return monitor_window(engine, pilot, window, reference=reference, folder=folder, **given)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # both kinds of store: test_windows.py
def test_a_window_is_measured_for_its_champion_and_the_same_again_writes_the_same(
    *,
    quick: Pilot,
    engine: Engine,
    answer: Answer,
    january: pd.DataFrame,
    february: Window,
    release_factory: ReleaseFactory,
    tmp_path: Path,
) -> None:
    rows = release_factory.rows
    rows = rows[rows["scheduled_departure"] >= february.start].sample(5000, random_state=1)
    scores = release_factory.pipeline.predict_proba(model_frame(rows, quick.contract))[:, 1]
    answer(rows.iloc[:4000], scores[:4000])
    answer(rows.iloc[4000:], 1 - scores[4000:], release="second", cohort="challenger")  # the wrong way round
    folder = tmp_path / "monitoring"
    reference = model_frame(january, quick.contract)
    for early in (february.end - timedelta(days=3), february.end + timedelta(days=2, hours=23)):
        waited = measured(engine, quick, february, reference, folder, as_of=early)
        assert (waited.performance.measures, waited.performance.never_labelled) == (None, None)
        assert "outcomes arrive until 2013-03-04" in (waited.performance.why_not or "")
        assert waited.drift.rows == 5000  # what was asked is there at once
        assert decide([waited], quick.file, as_of=early, retrainings=[]).action == "wait"
    found = measured(engine, quick, february, reference, folder)
    assert measured(engine, quick, february, reference, folder) == found
    assert sorted(path.name for path in folder.iterdir()) == [
        "2013-02-evidently.html",
        "2013-02-evidently.json",
        "2013-02.json",
    ]
    assert read_history(folder) == [found]
    assert found.answers == {"first": 4000, "second": 1000}
    assert found.drift.rows == 5000
    known = rows.iloc[:4000]
    known = known[known["late_known_at"] <= AS_OF]
    assert found.performance.rows == 4000
    assert found.performance.labelled == len(known)
    assert found.performance.never_labelled == pytest.approx(1 - len(known) / 4000)
    assert found.performance.measures is not None
    assert 0.6 < found.performance.measures.ranking.value < 0.8  # the challenger's answers are not in it
    assert set(found.performance.sites) == {"EWR", "JFK", "LGA"}
    decision = decide(read_history(folder), quick.file, as_of=AS_OF, retrainings=[])
    assert decision.action in ("wait", "watch")
    before = hashlib.sha256((folder / "2013-02.json").read_bytes()).hexdigest()
    later = AS_OF + timedelta(days=1)
    other = measured(engine, quick, february, reference, folder, as_of=later, release_id="second")
    assert other.performance.why_not is not None  # 1,000 answers are too few, however bad
    assert hashlib.sha256((folder / "2013-02.json").read_bytes()).hexdigest() != before


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_window_without_answers_is_an_error_that_says_what_to_do(
    quick: Pilot, engine: Engine, february: Window, tmp_path: Path
) -> None:
    with pytest.raises(TremplinError, match=r"No answer of flights .* 2013-02\. Send its rows first"):
        measured(engine, quick, february, pd.DataFrame(), tmp_path)
    assert not (tmp_path / "2013-02.json").exists()


def test_evidence_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    (tmp_path / "2013-07.json").write_text('{"pilot": "flights"}')
    (tmp_path / "2013-07-evidently.json").write_text("[]")
    with pytest.raises(
        TremplinError, match=r"2013-07\.json is not evidence of this version .*Monitor the window again"
    ):
        read_history(tmp_path)
