"""A rule played over months of real departures, made-up histories without news, and shifts put into them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from monitoring import shifts
from monitoring.performance import ByDay, promise
from monitoring.playing import History, Look, PastModel, PilotsPolicy, always, never, play
from monitoring.replicates import Replicates
from monitoring.worth import worth
from tremplin.comparison import Floats, auc
from tremplin.pilot import Pilot

START, END = datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 5, 1, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def rows(pilot: Pilot) -> pd.DataFrame:
    """January to April, as typed as the contract asks."""
    found: pd.DataFrame = pilot.source.fetch(START, END)
    return found.reset_index(drop=True)


@pytest.fixture(scope="module")
def good(rows: pd.DataFrame) -> Floats:
    """Scores as calibrated as can be, month by month: the share of late ones among rows with as many overdue flights."""
    month = rows["scheduled_departure"].dt.tz_convert("America/New_York").dt.month
    late = rows["late"].astype("float64")
    return late.groupby([month, rows["overdue"].clip(upper=20)]).transform("mean").to_numpy("float64")


def model(rows: pd.DataFrame, scores: Floats, as_of: datetime) -> PastModel:
    known = rows["late"].notna().to_numpy()
    labels = rows.loc[known, "late"].to_numpy("float64")
    ratio = labels.sum() / scores[known].sum()
    return PastModel(as_of, scores, evaluation(auc(labels, scores[known]), ratio), rows.head(2000))


def evaluation(area: float, ratio: float) -> dict[str, dict[str, float]]:
    """As a release carries it, with intervals as wide as those of a month of departures."""
    values = {"roc_auc": (area, 0.025), "brier": (0.16, 0.01), "observed_expected": (ratio, 0.1)}
    return {name: {"value": v, "low": v - side, "high": v + side} for name, (v, side) in values.items()}


@pytest.fixture(scope="module")
def spoiled(pilot: Pilot, rows: pd.DataFrame, good: Floats) -> History:
    """The first model turns every score round; each later one is good."""

    def model_at(as_of: datetime) -> PastModel:
        made = model(rows, good, as_of)
        return replace(made, scores=1 - good) if as_of == START else made

    return History(pilot, rows, model_at, START, END)


def test_a_look_knows_what_was_known_then(spoiled: History) -> None:
    window = spoiled.windows[0]
    made = spoiled.model_at(START)
    early = spoiled.answers(made, window.start, window.end, window.end - timedelta(days=2))
    late = spoiled.answers(made, window.start, window.end, spoiled.looked_at(window))
    assert early["label"].notna().sum() < late["label"].notna().sum() < len(late)
    known = spoiled.rows.loc[early.index[early["label"].notna()], "late_known_at"]
    assert known.max() <= window.end - timedelta(days=2)


def test_no_look_after_which_nothing_could_be_gained(spoiled: History) -> None:
    assert [window.name for window in spoiled.windows] == ["2013-01", "2013-02", "2013-03"]


def test_never_and_always(spoiled: History, good: Floats) -> None:
    assert play(spoiled, never).retrainings == ()
    assert (play(spoiled, never).scores == 1 - good).all()
    monthly = play(spoiled, always)
    assert [f"{moment:%m-%d}" for moment in monthly.retrainings] == ["02-04", "03-04", "04-04"]
    first = spoiled.between(START, monthly.retrainings[0])
    assert (monthly.scores[first] == 1 - good[first]).all()
    assert (monthly.scores[first.stop :] == good[first.stop :]).all()


def test_the_policy_retrains_after_two_worse_windows_and_then_leaves_the_good_model_alone(
    spoiled: History,
) -> None:
    looks: list[Look] = []
    policy = PilotsPolicy(spoiled)

    def watched(look: Look) -> bool:
        looks.append(look)
        return policy(look)

    played = play(spoiled, watched)
    assert [f"{moment:%m-%d}" for moment in played.retrainings] == ["03-04"]
    assert [look.model.name for look in looks] == ["2013-01-01", "2013-01-01", "2013-03-04"]
    assert policy.evidence[-1].performance.rows < policy.evidence[0].performance.rows, "its own answers only"


def test_what_is_gained_is_paired_and_has_its_sign(spoiled: History) -> None:
    unchanged, monthly = play(spoiled, never), play(spoiled, always)
    nothing, much = (worth(spoiled, played, unchanged, rules=3) for played in (unchanged, monthly))
    assert (nothing.brier_gain.low, nothing.brier_gain.high, nothing.saved.value) == (0, 0, 0)
    for gain in (much.brier_gain, much.auc_gain, much.cost_gain):
        assert 0 < gain.low < gain.value < gain.high
    assert much.brier < nothing.brier
    wider = worth(spoiled, monthly, unchanged, rules=30)
    assert wider.brier_gain.low <= much.brier_gain.low, "the more rules, the wider each interval"


@pytest.fixture(scope="module")
def march(pilot: Pilot, rows: pd.DataFrame, good: Floats) -> pd.DataFrame:
    month = rows["scheduled_departure"].dt.tz_convert("America/New_York").dt.month == 3
    return shifts.answered(rows[month], good[month.to_numpy()], pilot)


def test_nothing_new_is_no_alarm_and_a_broken_model_is_found_as_soon_as_the_policy_can(
    pilot: Pilot, march: pd.DataFrame
) -> None:
    measured = evaluation(
        auc(march["label"].to_numpy(), march["score"].to_numpy()), march["label"].sum() / march["score"].sum()
    )
    asked, healthy = Replicates(pilot, promise(measured, pilot)), ByDay.of(march, pilot)
    assert asked.false_alarms(healthy, histories=20, windows=6) == [None] * 20
    drawn = asked.false_alarms(healthy, histories=20, windows=6, evaluation_drawn=True)
    assert drawn.count(None) >= 19
    broken = ByDay.of(march.assign(score=1 - march["score"]), pilot)
    assert set(asked.delays(healthy, broken, histories=10, windows=6)) == {
        pilot.file.retraining.worse_windows
    }
    assert asked.delays(healthy, healthy, histories=10, windows=6).count(None) >= 9


def test_shifts_do_what_they_say(pilot: Pilot, rows: pd.DataFrame) -> None:
    some = rows.iloc[:2000]
    seen: list[pd.DataFrame] = []

    def score(given: pd.DataFrame) -> Floats:
        seen.append(given)
        return np.full(len(given), 0.3)

    found = dict(shifts.unit_errors(some, score, pilot))
    assert len(found) == sum(feature.numeric for feature in pilot.contract.features)
    (wrong,) = [given for given in seen if not given["pressure"].equals(some["pressure"])]
    assert wrong["pressure"].dropna().iloc[0] == pytest.approx(10 * some["pressure"].dropna().iloc[0])
    assert wrong.drop(columns="pressure").equals(some.drop(columns="pressure"))
    _, fewer = shifts.label_shift(some, score, pilot)
    labels = some["late"].dropna().astype(float)
    odds = [value.mean() / (1 - value.mean()) for value in (labels, fewer["label"])]
    assert odds[1] / odds[0] == pytest.approx(2, rel=0.15)
