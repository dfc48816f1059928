"""Answers that are amounts: minutes of real arrival delays, measured in minutes and on the unit interval, by the same policy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sqlalchemy.engine import Engine

from monitoring.decision import decide
from monitoring.evidence import AmountMeasures, WindowEvidence, read_history
from monitoring.page import write_page
from monitoring.performance import performance
from monitoring.playing import NO_DRIFT
from monitoring.report import monitor_window
from monitoring.windows import Window, load_window, month_window
from pipelines.fitting import fit, labels_of, predict
from pipelines.measures import whole
from pipelines.replaying import record_outcomes, request_rows
from tests.delays import delays
from tremplin.comparison import Bootstrap, auc, days_of
from tremplin.errors import TremplinError
from tremplin.frame import model_frame
from tremplin.pilot import Pilot
from tremplin.store import insert_once, predictions

JULY, AUGUST = datetime(2013, 7, 1, 4, tzinfo=UTC), datetime(2013, 8, 1, 4, tzinfo=UTC)
AS_OF = AUGUST + timedelta(days=4)


@dataclass(frozen=True)
class Minutes:
    """A model of May and half of June, its promise on the other half, and what it answers in July."""

    pilot: Pilot
    promise: dict[str, Any]  # estimates, as in a release's profile
    trained: pd.DataFrame
    july: pd.DataFrame  # every column of the contract
    answers: np.ndarray  # minutes

    @property
    def window(self) -> Window:
        return month_window("2013-07", self.pilot.file.data.timezone)

    def rows(self, answers: np.ndarray | None = None) -> pd.DataFrame:
        """As ``load_window`` gives them."""
        said = self.answers if answers is None else answers
        known = self.july[self.pilot.contract.label_time] <= AS_OF
        label = self.july[self.pilot.contract.target].astype("float64").where(known)
        return self.july.assign(score=said, decision=None, label=label)

    def measured(self, answers: np.ndarray | None = None) -> WindowEvidence:
        found = performance(self.rows(answers), self.pilot, self.promise, awaited_until=None)
        return WindowEvidence.model_construct(
            pilot=self.pilot.name, window="2013-07", start=JULY, end=AUGUST, as_of=AS_OF, release_id="first",
            answers={"first": len(self.july)}, performance=found, drift=NO_DRIFT, fairness=None,
        )  # fmt: skip

    def reasons(self, answers: np.ndarray | None = None) -> tuple[str, str]:
        decided = decide([self.measured(answers)], self.pilot.file, as_of=AS_OF, retrainings=[])
        return decided.action, " ".join(decided.reasons)


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Minutes:
    pilot = delays(tmp_path_factory.mktemp("delays")).pilot
    contract = pilot.contract
    rows: pd.DataFrame = pilot.source.fetch(datetime(2013, 5, 1, 4, tzinfo=UTC), AUGUST)
    known = rows[contract.target].notna()
    train = rows[known & (rows[contract.time] < JULY - timedelta(days=15))]
    held = rows[known & (rows[contract.time] < JULY) & (rows[contract.time] >= JULY - timedelta(days=15))]
    july = rows[rows[contract.time] >= JULY].reset_index(drop=True)
    fitted = fit(pilot, pilot.file.model, "boosted", model_frame(train, contract), labels_of(train, contract))
    labels = labels_of(held, contract)
    scores = contract.scale.to_unit(predict(fitted, model_frame(held, contract), contract))
    days = days_of(held[contract.time], pilot.file.data.timezone)
    how = Bootstrap(200, pilot.file.gate.confidence, 1)
    promise = whole(labels, scores, days, charter=pilot.charter, scale=contract.scale, how=how)
    return Minutes(pilot, promise, train, july, predict(fitted, model_frame(july, contract), contract))


def test_errors_are_told_in_minutes_and_judged_on_the_unit_interval(minutes: Minutes) -> None:
    rows = minutes.rows()
    known = rows[rows["label"].notna()]
    answer, outcome = known["score"].to_numpy(float), known["label"].to_numpy(float)
    found = minutes.measured().performance.measures
    assert isinstance(found, AmountMeasures)
    assert found.mae.value == pytest.approx(mean_absolute_error(outcome, answer))
    assert found.rmse.value == pytest.approx(root_mean_squared_error(outcome, answer))
    assert found.bias.value == pytest.approx((answer - outcome).mean())
    assert found.cost_per_row.value == pytest.approx(
        np.where(answer > outcome, answer - outcome, 2 * (outcome - answer)).mean()
    )
    unit = minutes.pilot.contract.scale.to_unit
    assert found.squared_error.value == pytest.approx(((unit(answer) - unit(outcome)) ** 2).mean())
    assert found.calibration_ratio.value == pytest.approx(unit(outcome).sum() / unit(answer).sum())
    assert found.concordance.value == pytest.approx(auc(unit(outcome), unit(answer)))
    for name in AmountMeasures.model_fields:
        measure = getattr(found, name)
        assert measure.low < measure.value < measure.high
    assert set(minutes.measured().performance.sites) == {"EWR", "JFK", "LGA"}


def test_an_honest_month_is_no_reason_to_retrain(minutes: Minutes) -> None:
    action, said = minutes.reasons()
    assert action in ("wait", "watch")
    assert "Concordance" not in said


def test_answers_that_rank_no_more_are_worse(minutes: Minutes) -> None:
    shuffled = np.random.default_rng(1).permutation(minutes.answers)
    action, said = minutes.reasons(shuffled)
    assert action == "watch"
    assert re.search(r"2013-07: Concordance 0\.(49|50)", said)


@pytest.mark.parametrize("shift", [-40.0, 60.0])
def test_answers_that_are_minutes_off_are_worse(minutes: Minutes, shift: float) -> None:
    shifted = np.clip(minutes.answers + shift, -60, 180)
    found = minutes.measured(shifted).performance.measures
    assert isinstance(found, AmountMeasures)
    assert np.sign(found.bias.value) == np.sign(shift)
    action, said = minutes.reasons(shifted)
    assert action == "watch"
    assert "observed for one expected" in said


def test_outcomes_that_are_all_the_same_are_not_judged(minutes: Minutes) -> None:
    rows = minutes.rows().assign(label=12.0)
    found = performance(rows, minutes.pilot, minutes.promise, awaited_until=None)
    assert found.why_not == "every outcome is 12: nothing tells them apart"


def test_a_promise_of_another_task_is_refused(minutes: Minutes) -> None:
    other = {
        "roc_auc": minutes.promise["concordance"],
        "observed_expected": minutes.promise["observed_expected"],
    }
    with pytest.raises(TremplinError, match=r"no performance\.concordance, performance\.squared_error with"):
        performance(minutes.rows(), minutes.pilot, other, awaited_until=None)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_from_the_store_to_the_page(minutes: Minutes, engine: Engine, tmp_path: Path) -> None:
    contract, rows = minutes.pilot.contract, minutes.july.head(9000)
    sent = request_rows(rows, contract)
    insert_once(
        engine,
        predictions,
        [
            {
                "prediction_id": str(number), "pilot": minutes.pilot.name, "release_id": "first", "cohort": "champion",
                "key": row[contract.key], "subject": row["desk"], "event_time": moment.to_pydatetime(), "received_at": AS_OF,
                "score": float(score), "decision": None, "row": row,
            }
            for number, (row, moment, score) in enumerate(zip(sent, rows[contract.time], minutes.answers, strict=False))
        ],
    )  # fmt: skip
    record_outcomes(engine, minutes.pilot, rows, AS_OF)
    stored = load_window(engine, minutes.pilot, minutes.window, AS_OF)
    assert stored["decision"].isna().all()
    policy = minutes.pilot.file.monitoring.model_copy(update={"drift_sample": 2000})
    pilot = replace(minutes.pilot, file=minutes.pilot.file.model_copy(update={"monitoring": policy}))
    folder = tmp_path / "monitoring"
    found = monitor_window(
        engine,
        pilot,
        minutes.window,
        as_of=AS_OF,
        release_id="first",
        release_profile={"performance": minutes.promise},
        reference=model_frame(minutes.trained, contract),
        folder=folder,
        people=lambda _start, _end: pd.DataFrame(),
    )
    assert read_history(folder) == [found]
    errors = folder / "2013-07-evidently-errors.html"
    assert "Mean Absolute" in errors.read_text("utf-8")
    page = write_page(folder, found, decide([found], pilot.file, as_of=AS_OF, retrainings=[])).read_text(
        "utf-8"
    )
    assert "| concordance | squared error | calibration ratio | mae | rmse | bias | cost per row |" in page
