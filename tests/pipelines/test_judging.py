"""The verdict on a wave: proceed, hold or roll back, on the rows the challenger answered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.judging import WaveVerdict, judge_wave
from tests.results import Result
from tremplin.onnx_model import OnnxModel


@pytest.fixture(scope="module")
def champion(honest_result: Result) -> OnnxModel:
    return OnnxModel(honest_result.paths.model / "model.onnx", honest_result.pilot.contract)


@pytest.fixture(scope="module")
def answers(honest_result: Result, champion: OnnxModel) -> pd.DataFrame:
    """A wave in which the challenger said exactly what the champion would have said."""
    rows = honest_result.part("evaluation").rename(columns={"late": "label"})
    rows["label"] = rows["label"].astype(float)
    columns = {
        feature.name: rows[feature.name].to_numpy(object, na_value=None) for feature in champion.features
    }
    return rows.assign(score=champion.score(columns), release_id="new")


def judged(result: Result, rows: pd.DataFrame, champion: OnnxModel) -> WaveVerdict:
    return judge_wave(result.pilot, rows, champion, challenger="new")


def test_a_challenger_as_good_as_the_champion_proceeds(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    found = judged(honest_result, answers, champion)
    assert found.decision == "proceed"
    assert found.difference == pytest.approx(0, abs=1e-9)
    assert found.outcomes == len(answers)


def test_a_challenger_that_is_worse_is_rolled_back(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    found = judged(honest_result, answers.assign(score=1 - answers["score"]), champion)
    assert found.decision == "rollback"
    assert found.interval is not None
    assert found.interval[0] > found.margin
    assert "worse than the champion" in found.reasons[-1]


def test_a_few_outcomes_are_held(honest_result: Result, answers: pd.DataFrame, champion: OnnxModel) -> None:
    few = honest_result.pilot.file.rollout.minimum_outcomes - 1
    rows = answers.copy()
    rows.loc[rows.index[few:], "label"] = np.nan
    found = judged(honest_result, rows.assign(score=1 - rows["score"]), champion)
    assert found.decision == "hold"
    assert found.difference is None
    assert "fewer than 300" in found.reasons[0]


def test_what_could_be_noise_is_held(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.12, len(answers))  # a difference near the margin
    rows = answers.assign(score=np.clip(answers["score"] + noise, 0, 1)).sample(350, random_state=0)
    found = judged(honest_result, rows, champion)
    assert found.decision == "hold"
    assert found.interval is not None
    assert found.interval[0] <= found.margin < found.interval[1]


def test_only_the_challengers_own_answers_count(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    others = answers.assign(release_id="old", score=1 - answers["score"])
    found = judged(honest_result, pd.concat([answers, others], ignore_index=True), champion)
    assert found.decision == "proceed"
    assert found.outcomes == len(answers)


def test_in_a_short_wave_a_subjects_day_is_drawn_not_a_whole_day(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    first = answers["scheduled_departure"].min()
    week = answers[answers["scheduled_departure"] < first + pd.Timedelta(days=5)]
    assert "sampled by desk and day" in judged(honest_result, week, champion).reasons[1]
    assert "sampled by day" in judged(honest_result, answers, champion).reasons[1]
