"""Enough data, and no passing by trying often enough."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.gate.looks import look_at
from tests.results import AS_OF, Result, judged, line
from tremplin import journal
from tremplin.store import open_store


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


def test_models_on_the_same_days_are_counted_once_and_in_their_order(result: Result) -> None:
    engine, days = open_store(result.settings), result.pilot.file.data.evaluation_days

    def judge(model: str, as_of: Any) -> None:
        journal.append(
            engine, "verdict", identity=f"{model}{as_of}", pilot="flights", by="gate", as_of=as_of,
            facts={"verdict": {"model_hash": model}},
        )  # fmt: skip

    assert look_at(engine, result.pilot, "a", AS_OF) == 1
    judge("before", AS_OF - timedelta(days=days))
    judge("a", AS_OF)
    judge("a", AS_OF + timedelta(days=1))
    judge("b", AS_OF)
    assert [look_at(engine, result.pilot, model, AS_OF) for model in ("a", "b", "c")] == [1, 2, 3]
    assert look_at(engine, result.pilot, "c", AS_OF + timedelta(days=days + 1)) == 1
