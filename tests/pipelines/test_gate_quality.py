"""Enough data, and no passing by trying often enough."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from pipelines.gate.checks.quality import corrected
from pipelines.gate.looks import Window, look_at
from pipelines.gate.material import Material
from tests.results import AS_OF, Result, judged, line
from tremplin import journal
from tremplin.comparison import Bootstrap, mean_difference
from tremplin.errors import TremplinError


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def test_a_second_model_on_the_same_days_must_be_surer(honest_result: Result, result: Result) -> None:
    first = line(judged(honest_result), "baseline")
    assert first.interval is not None
    assert first.interval[0] is not None
    result.edit(gate={"baseline_margin": first.interval[0] - 0.001})
    assert judged(result).passed
    third = judged(result, look=3)
    assert third.blocked_by == ["baseline"]
    assert "model number 3 on these days, so at 99.44% confidence" in line(third, "baseline").evidence


@pytest.mark.parametrize("look", [2, 7, 100])
def test_a_later_look_reaches_as_far_as_its_confidence_asks(look: int) -> None:
    """The mean of 400 independent days is as good as normal; of 1,000 samples the percentiles end before the confidence does."""
    days = np.arange(400)
    material = cast("Material", SimpleNamespace(look=look, how=Bootstrap(1000, 0.95, seed=3)))
    losses = np.random.default_rng(5).normal(0.02, 0.1, len(days))
    found = mean_difference(losses, np.zeros(len(days)), days, corrected(material))
    error = losses.std() / np.sqrt(len(days))
    asked = NormalDist().inv_cdf(1 - 0.05 / look**2 / 2)
    for reached in (found.value - found.low, found.high - found.value):
        assert 0.95 * asked < reached / error < 1.15 * asked


def test_the_first_look_is_at_the_percentiles() -> None:
    how = Bootstrap(1000, 0.95, seed=3)
    assert corrected(cast("Material", SimpleNamespace(look=1, how=how))) is how


def test_a_statistic_that_hardly_exists_has_no_interval_at_any_look() -> None:
    how = corrected(cast("Material", SimpleNamespace(look=7, how=Bootstrap(10, 0.95, seed=3))))
    for drawn in (np.full(10, np.nan), np.array([1.0, 2.0] + [np.nan] * 8)):
        assert how.interval(drawn) == (-np.inf, np.inf)


def window(first: int, last: int) -> Window:
    """Days of June."""
    return Window(first=datetime(2013, 6, first, 5, tzinfo=UTC), last=datetime(2013, 6, last, 23, tzinfo=UTC))


def judge(engine: Engine, model: str, evaluated: Window | None) -> None:
    journal.append(
        engine, "verdict", identity=f"{model}{evaluated}", pilot="flights", by="gate", as_of=AS_OF,
        facts={"verdict": {"model_hash": model}}
        | ({"evaluated": evaluated.model_dump(mode="json")} if evaluated else {}),
    )  # fmt: skip


def test_models_on_the_same_days_are_counted_once_and_in_their_order(engine: Engine) -> None:
    june = window(15, 28)
    assert look_at(engine, "flights", "a", june) == 1
    judge(engine, "before", window(1, 14))
    judge(engine, "a", june)
    judge(engine, "a", window(16, 29))
    judge(engine, "b", june)
    assert [look_at(engine, "flights", model, june) for model in ("a", "b", "c")] == [1, 2, 3]
    assert look_at(engine, "flights", "c", window(30, 30)) == 1
    assert look_at(engine, "support", "c", june) == 1


def test_days_count_as_they_were_judged_on_whatever_the_pilot_says_now(engine: Engine) -> None:
    """Six models on the same month: fewer days, an earlier end or a later beginning are no fresh days."""
    for number in range(6):
        judge(engine, str(number), window(1, 30))
    for part in (window(1, 5), window(10, 12), window(30, 30)):
        assert look_at(engine, "flights", "new", part) == 7


def test_overlapping_trainings_settle_at_as_many_looks_as_overlap(engine: Engine) -> None:
    """Eleven days are evaluated every third, as a quarter is every month."""
    looks = []
    for number in range(5):
        evaluated = window(1 + 3 * number, 11 + 3 * number)
        looks.append(look_at(engine, "flights", str(number), evaluated))
        judge(engine, str(number), evaluated)
    assert looks == [1, 2, 3, 4, 4]


def test_a_verdict_that_does_not_say_its_days_counts(engine: Engine) -> None:
    judge(engine, "of an older version", None)
    assert look_at(engine, "flights", "new", window(1, 30)) == 2


def test_the_days_are_those_of_the_evaluation_rows(result: Result) -> None:
    times = result.part("evaluation")[result.pilot.contract.time]
    evaluated = Window.of(result.paths, result.pilot.contract)
    assert (evaluated.first, evaluated.last) == (times.min(), times.max())
    (result.paths.prepared / "evaluation.parquet").write_bytes(b"damaged")
    with pytest.raises(TremplinError, match=r"evaluation\.parquet cannot be read: .*Run `dvc repro` again"):
        Window.of(result.paths, result.pilot.contract)
