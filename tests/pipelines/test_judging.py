"""The verdict on a wave: proceed, hold or roll back, on the rows the challenger answered, whoever looks how often."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.betting import Blocks
from pipelines.judging import WaveVerdict, judge_wave
from tests.delays import delays
from tests.pipelines.wave_histories import DAYS, Departures, Pair, first_looks, moment, prefix
from tests.results import Result
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot
from tremplin.target import Task

LEVEL = 0.05


@pytest.fixture(scope="module")
def champion(honest_result: Result) -> OnnxModel:
    return OnnxModel(honest_result.paths.model / "model.onnx", honest_result.pilot.contract)


@pytest.fixture(scope="module")
def answers(honest_result: Result, champion: OnnxModel) -> pd.DataFrame:
    """Two weeks of a wave in which the challenger said exactly what the champion would have said."""
    rows = honest_result.part("evaluation").rename(columns={"late": "label", "late_known_at": "known_at"})
    rows["label"] = rows["label"].astype(float)
    columns = {
        feature.name: rows[feature.name].to_numpy(object, na_value=None) for feature in champion.features
    }
    return rows.assign(score=champion.score(columns), release_id="new")


def opened(rows: pd.DataFrame) -> datetime:
    """The midnight before the first row."""
    first: pd.Timestamp = rows["scheduled_departure"].min().tz_convert("America/New_York").normalize()
    return first.to_pydatetime()


def judged(
    result: Result, rows: pd.DataFrame, champion: OnnxModel, *, after: int = 14, challenger: str = "new"
) -> WaveVerdict:
    since = opened(rows)
    return judge_wave(
        result.pilot,
        rows,
        champion,
        challenger=challenger,
        since=since,
        as_of=since + timedelta(days=after),
    )


def test_a_challenger_as_good_as_the_champion_proceeds(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    found = judged(honest_result, answers, champion)
    assert found.decision == "proceed"
    assert found.difference == pytest.approx(0, abs=1e-9)
    assert found.interval is not None
    assert found.interval[0] < 0 < found.interval[1] <= found.margin
    assert found.days == 14


def test_a_challenger_that_is_worse_is_rolled_back_within_the_wave(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    """On a day between, not at the end; and it stays rolled back however often one looks."""
    spoiled = answers.assign(score=1 - answers["score"])
    verdicts = [judged(honest_result, spoiled, champion, after=day).decision for day in range(1, 15)]
    assert "rollback" in verdicts
    first = verdicts.index("rollback")
    assert set(verdicts[:first]) <= {"hold"}
    assert set(verdicts[first:]) == {"rollback"}
    found = judged(honest_result, spoiled, champion)
    assert found.interval is not None
    assert found.interval[0] > found.margin
    assert "worse than the champion" in found.reasons[-1]


def test_a_good_challenger_waits_for_the_days_and_outcomes_of_the_charter(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel, tmp_path: Path
) -> None:
    patient = honest_result.copy(tmp_path)
    patient.edit(rollout={"wave_days": 12})
    early, late = (judged(patient, answers, champion, after=day) for day in (11, 12))
    assert (early.decision, late.decision) == ("hold", "proceed")
    assert early.reasons[-1] == "the whole interval is within the margin, but a wave takes at least 12 days"
    rules = honest_result.pilot.file.rollout
    few = answers.sample(rules.minimum_outcomes - 20, random_state=0).sort_index()
    found = judged(honest_result, few, champion)
    assert found.decision == "hold"
    assert found.reasons[-1].endswith("280 outcomes are fewer than 300")


def test_before_any_outcome_there_is_nothing_to_judge(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    for rows in (answers.assign(label=np.nan, known_at=pd.NaT), answers):
        rows["known_at"] = pd.to_datetime(rows["known_at"], utc=True)
        found = judged(honest_result, rows, champion, after=0)
        assert (found.decision, found.difference, found.days) == ("hold", None, 0)


def test_a_day_counts_once_all_that_arrived_on_it_is_there(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    """The day's file comes at midnight UTC, the evening before in New York; half of a day is never judged."""
    since = opened(answers)
    whole = judged(honest_result, answers, champion, after=9)
    later = judge_wave(
        honest_result.pilot,
        answers,
        champion,
        challenger="new",
        since=since,
        as_of=since + timedelta(days=9, hours=23),
    )
    assert (whole.days, whole.difference) == (later.days, later.difference)


def test_only_the_challengers_own_answers_count(
    honest_result: Result, answers: pd.DataFrame, champion: OnnxModel
) -> None:
    others = answers.assign(release_id="old", score=1 - answers["score"])
    found = judged(honest_result, pd.concat([answers, others], ignore_index=True), champion)
    assert found.decision == "proceed"
    assert found.outcomes == judged(honest_result, answers, champion).outcomes


def test_the_bounds_are_where_the_bets_reach_their_level() -> None:
    generator = np.random.default_rng(0)
    mean = generator.uniform(-0.02, 0.04, 30)
    blocks = Blocks(mean, np.full(30, -0.1), np.full(30, 0.2), 0.01)
    low, high = blocks.bounds(above=60, below=20)
    assert low < mean.mean() < high
    assert blocks.above(low) == pytest.approx(60, rel=1e-6)
    assert blocks.below(high) == pytest.approx(20, rel=1e-6)
    nearer = blocks.bounds(above=20, below=20)
    assert low < nearer[0]
    assert prefix(blocks, 5).bounds(above=60, below=20)[0] < low


@pytest.fixture(scope="module", params=["yes or no", "an amount"])
def departures(
    request: pytest.FixtureRequest, pilot: Pilot, tmp_path_factory: pytest.TempPathFactory
) -> Departures:
    if request.param == "yes or no":
        return Departures(pilot, {"C": 0.1}, every=3)
    made = delays(tmp_path_factory.mktemp("delays"))
    made.edit(rollout={"margin": 0.002})  # 5 % of what the mean leaves, as .01 is of yes or no
    return Departures(made.pilot, {"alpha": 10.0})


@pytest.fixture(scope="module")
def pairs(departures: Departures) -> dict[str, Pair]:
    """Challengers to the model of the first half of 2013, on the last quarter: good ones, poor ones, a broken one."""
    old = departures.scores(moment(1), moment(7))
    scores = {
        "retrained": departures.scores(moment(1), moment(10)),
        "linear": departures.scores(moment(1), moment(7), "linear"),
        "one month": departures.scores(moment(9), moment(10)),
        "mixed labels": departures.scores(moment(1), moment(10), spoil="JFK"),
    }
    return {name: departures.pair(name, ours, old, moment(10), share=0.15) for name, ours in scores.items()}


def errors(pair: Pair, histories: int) -> tuple[float, float]:
    """How often each test rolls back, at LEVEL and looking daily, a challenger exactly as bad as is tolerated."""
    margin = pair.days.least_stake
    drawn = pair.drawn(histories, seed=1, shift=margin - float(pair.days.mean.mean()))
    looks = [first_looks(history, margin, LEVEL) for history in drawn]
    bets, fixed = (sum(day is not None for day in days) / histories for days in zip(*looks, strict=True))
    return bets, fixed


def days_to_roll_back(pair: Pair, histories: int) -> list[int | None]:
    """Days until the roll-back by the level that a wave of three has; None where it was not within DAYS."""
    margin = pair.days.least_stake
    return [
        first_looks(history, margin, LEVEL / 3)[0] for history in pair.drawn(histories, seed=2, shift=0.0)
    ]


@pytest.mark.slow
def test_daily_looks_at_real_days_keep_the_level_of_the_bets_and_not_of_a_fixed_test(
    pairs: dict[str, Pair],
) -> None:
    for name in ("retrained", "one month"):
        bets, fixed = errors(pairs[name], 100)
        assert bets <= LEVEL
        assert fixed > 3 * LEVEL


@pytest.mark.slow
def test_every_pair_keeps_the_level_over_many_histories(
    departures: Departures, pairs: dict[str, Pair]
) -> None:
    found = {name: errors(pair, 400) for name, pair in pairs.items()}
    assert {name: bets for name, (bets, _) in found.items() if bets > LEVEL} == {}
    # Of amounts the fixed test errs less often: .11 at the least, of yes or no .22.
    times = 3 if departures.pilot.contract.task is Task.CLASSIFICATION else 2
    assert min(fixed for _, fixed in found.values()) > times * LEVEL


@pytest.mark.slow
def test_a_degraded_challenger_is_rolled_back_and_a_good_one_never(pairs: dict[str, Pair]) -> None:
    found = [day or DAYS for day in days_to_roll_back(pairs["mixed labels"], 50)]
    assert np.median(found) <= 21
    assert set(days_to_roll_back(pairs["retrained"], 50)) == {None}
