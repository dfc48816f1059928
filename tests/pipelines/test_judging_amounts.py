"""The verdict on a wave of a challenger that predicts an amount: its own unit in the words, the unit interval in the bets."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.judging import WaveVerdict, judge_wave
from tests.conftest import ReleaseFactory, make_releases_of
from tests.delays import delays
from tremplin.frame import model_columns, model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot

BEGUN = datetime.fromisoformat("2013-02-01T00:00-05:00")
MARGIN = 0.002  # of the squared range: 115 square minutes, of some 1,400


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ReleaseFactory:
    """A model of January's delays, and February, which it never saw."""
    pilot = delays(tmp_path_factory.mktemp("delays"))
    pilot.edit(rollout={"margin": MARGIN})
    return make_releases_of(pilot.pilot, tmp_path_factory.mktemp("amounts"))


@pytest.fixture(scope="module")
def champion(made: ReleaseFactory) -> OnnxModel:
    return OnnxModel(made.files["model.onnx"], made.pilot.contract)


@pytest.fixture(scope="module")
def answers(made: ReleaseFactory, champion: OnnxModel) -> pd.DataFrame:
    """February as it would be if the challenger said what the champion says."""
    scores = champion.score(model_columns(model_frame(made.rows, made.pilot.contract)))
    known = {"arrival_delay": "label", made.pilot.contract.label_time: "known_at"}
    return made.rows.rename(columns=known).assign(score=scores, release_id="new")


def judged(pilot: Pilot, rows: pd.DataFrame, champion: OnnxModel, after: int) -> WaveVerdict:
    return judge_wave(
        pilot, rows, champion, challenger="new", since=BEGUN, as_of=BEGUN + timedelta(days=after)
    )


def test_a_challenger_as_good_proceeds_and_its_errors_are_told_in_minutes(
    made: ReleaseFactory, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    found = judged(made.pilot, answers.assign(score=answers["score"] + 0.2), champion, 21)
    assert found.decision == "proceed"
    assert found.interval is not None
    assert found.interval[1] <= MARGIN
    known = answers[answers["label"].notna()]
    known = known[known["known_at"] < pd.Timestamp(BEGUN + timedelta(days=21))]
    root = float(np.sqrt(np.mean((known["score"] + 0.2 - known["label"]) ** 2)))
    assert f"(root {root:.4g} against " in found.reasons[1]
    assert " minute) of the champion" in found.reasons[1]


def test_a_challenger_that_learned_an_airport_in_another_unit_is_rolled_back_and_stays_so(
    made: ReleaseFactory, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    """Kennedy's delays came in seconds while it was trained: its answers there are sixty times too high, or at the end."""
    scale = made.pilot.contract.scale
    wrong = (60 * answers["score"]).clip(scale.low, scale.high)
    spoiled = answers.assign(score=answers["score"].where(answers["origin"] != "JFK", wrong))
    verdicts = [judged(made.pilot, spoiled, champion, day).decision for day in range(1, 22)]
    assert "rollback" in verdicts
    first = verdicts.index("rollback")
    assert set(verdicts[:first]) <= {"hold"}
    assert set(verdicts[first:]) == {"rollback"}


def test_an_outcome_beyond_the_contract_weighs_no_more_than_its_end(
    made: ReleaseFactory, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    """Or the bounds that the bets stake on would not hold."""
    beyond = answers.assign(label=answers["label"].mask(answers["label"] >= 180, 10_000.0))
    assert (beyond["label"] > 180).any()
    louder = answers.assign(score=answers["score"] + 0.2)
    ends = judged(made.pilot, louder, champion, 21)
    far = judged(made.pilot, louder.assign(label=beyond["label"]), champion, 21)
    assert (far.difference, far.interval) == (ends.difference, ends.interval)
