"""What does not fit, is too slow or is made by nobody's code is blocked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.results import Result, judged, line
from tremplin.settings import load_settings


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def test_a_bloated_file_is_blocked(result: Result) -> None:
    result.edit(gate={"size_limit_mb": 1})
    assert judged(result).passed
    path = result.paths.model / "model.onnx"
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(500_000, np.float32), "ballast"))
    onnx.save(model, path)
    assert judged(result).blocked_by == ["size"]


def test_time_and_memory_beyond_their_limits_are_blocked_and_within_them_not_told(result: Result) -> None:
    """What differs from call to call would give the same files another verdict each time."""
    honest = judged(result)
    assert [line(honest, name).value for name in ("latency", "memory")] == [None, None]
    result.edit(gate={"latency_limit_ms": 1e-5, "memory_limit_mb": 1e-3})
    verdict = judged(result)
    assert verdict.blocked_by == ["latency", "memory"]
    assert all(value and value > 0 for value in (line(verdict, name).value for name in verdict.blocked_by))


def test_outside_development_only_the_code_of_a_commit_passes(result: Result) -> None:
    def production(**given: object) -> list[str]:
        settings = load_settings(root=result.root, environment="production", commit="0" * 40, **given)
        return judged(result, settings=settings).blocked_by

    assert production() == []
    assert production(dirty=True) == ["clean-code"]
    assert judged(result, settings=load_settings(root=result.root, dirty=True)).passed
