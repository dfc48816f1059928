"""A model made in hindsight is the one that the pipeline made, and meets the gate's limits as it would."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pipelines.hindsight import trained_at
from pipelines.stages import typed
from tests.results import AS_OF, Result, judged

EXAMINED = {"calibration", "baseline", "result-too-good"}
TOO_STRICT = {
    "calibration_limit": 1e-4,
    "confidence": 0.51,  # an honest model's error is proven by no more
    "baseline_margin": 0.9,
    "result_auc_limit": 0.51,
}


@pytest.fixture(scope="module")
def rows(honest_result: Result) -> pd.DataFrame:
    return typed(pd.read_parquet(honest_result.paths.snapshot), honest_result.pilot.contract)


def test_it_is_worth_what_the_pipeline_measured(honest_result: Result, rows: pd.DataFrame) -> None:
    found = trained_at(rows, honest_result.pilot, AS_OF)
    measured = json.loads(honest_result.paths.report(5, "evaluation").read_text("utf-8"))
    for name in ("roc_auc", "brier", "observed_expected"):
        assert found.evaluation[name] == pytest.approx(measured[name], abs=1e-5)
    assert list(found.blocked_by) == []
    assert judged(honest_result).passed


def test_limits_that_block_at_the_gate_block_in_hindsight(
    honest_result: Result, rows: pd.DataFrame, tmp_path: Path
) -> None:
    strict = honest_result.copy(tmp_path / "copy")
    strict.edit(gate=TOO_STRICT)
    found = trained_at(rows, strict.pilot, AS_OF)
    assert set(found.blocked_by) == EXAMINED == set(judged(strict).blocked_by) & EXAMINED
