"""The gate blocks what is bad, each for its own reason, and lets the honest model through. All on real departures."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pipelines.stages import write_json
from pipelines.verdict import Verdict, canonical_json, verdict_hash, verdict_markdown, verdict_table
from tests.conftest import ReleaseFactory
from tests.results import AS_OF, BOOSTED, Result, judged
from tremplin.canonical import digest
from tremplin.errors import TremplinError
from tremplin.release import Release, make_keys, write_release

IDS = [
    "contract", "freshness", "time-overlap", "near-duplicates", "poisoning", "feature-too-good", "result-too-good", "baseline",
    "champion", "learning-curve", "sites", "coverage", "fairness", "calibration", "missing-values", "unit-errors", "noise",
    "previous-period", "membership", "specific-parts", "parity", "size", "latency", "memory", "clean-code",
]  # fmt: skip


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


@pytest.fixture
def release_of(release_factory: ReleaseFactory, tmp_path: Path) -> Callable[[Result], Release]:
    """A signed release of the model that lies in a result."""

    def make(result: Result) -> Release:
        files = {**release_factory.files, "model.onnx": result.paths.model / "model.onnx"}
        manifest = release_factory(tmp_path / "other").manifest
        keys = tmp_path / "keys"
        make_keys(keys / "a.key", keys / "a.pub")
        return write_release(tmp_path / "releases", files, manifest, keys / "a.key")

    return make


def leak(labels: pd.Series, noise: float) -> np.ndarray:
    """A column that was written after the outcome, with some noise on it."""
    told = np.random.default_rng(0).normal(labels.astype(float), noise)
    return np.clip((told + 2) / 5, 0, 1)


def test_an_honest_model_passes_every_check(honest_result: Result) -> None:
    verdict = judged(honest_result)
    assert verdict.passed
    assert verdict.blocked_by == []
    assert [check.id for check in verdict.checks] == IDS
    assert all(check.evidence and check.source and check.requirement for check in verdict.checks)


def test_the_same_files_give_the_same_verdict(honest_result: Result) -> None:
    first, second = judged(honest_result), judged(honest_result)
    assert canonical_json(first) == canonical_json(second)
    assert verdict_hash(first) == verdict_hash(second)
    assert verdict_hash(first) == digest(first.model_dump(mode="json"))
    assert Verdict.model_validate_json(canonical_json(first)) == first


def test_a_model_that_learned_nothing_is_blocked_by_the_baseline(result: Result) -> None:
    labels = result.part("train")["late"].to_numpy(float)
    result.train(labels=np.random.default_rng(0).permutation(labels))
    assert "baseline" in judged(result).blocked_by


def test_a_feature_that_knows_the_answer_is_blocked(result: Result) -> None:
    for name in ("train", "evaluation"):
        rows = result.part(name)
        result.replace(name, rows.assign(recent_late_share=leak(rows["late"], 0.6)))
    result.train()
    verdict = judged(result)
    check = next(check for check in verdict.checks if check.id == "feature-too-good")
    assert not check.passed
    assert "recent_late_share" in check.evidence
    other = {
        "result-too-good",
        "missing-values",
        "unit-errors",
    }  # it falls with the one column that it leans on
    assert set(verdict.blocked_by) <= {"feature-too-good", *other}


@pytest.mark.parametrize("way", ["not monotone", "missing", "category"])
def test_a_leak_is_found_in_whichever_form(result: Result, way: str) -> None:
    for name in ("train", "evaluation"):
        rows = result.part(name)
        late = rows["late"].astype(bool).to_numpy()
        noise = np.random.default_rng(0).random(len(rows))
        if way == "not monotone":  # far from the middle, on either side
            rows["humid"] = 50 + np.where(noise < 0.5, -1, 1) * (20 * late + 10 * noise)
        elif way == "missing":  # filled in for the late ones only
            rows["precip"] = np.where(late & (noise < 0.9), 0.0, np.nan)
        else:
            rows["dest"] = np.where(late & (noise < 0.9), "AAA", "BBB")
        result.replace(name, rows)
    assert "feature-too-good" in judged(result).blocked_by


def test_a_result_too_good_is_blocked_though_no_feature_alone_is(result: Result) -> None:
    """Two columns that say nothing, whose difference is the answer."""
    for name in ("train", "evaluation"):
        rows = result.part(name)
        drawn = np.random.default_rng(1).uniform(20, 60, len(rows))
        told = np.random.default_rng(2).normal(rows["late"].astype(float) * 10, 3)
        result.replace(name, rows.assign(temp=drawn, humid=np.clip(drawn + told, 0, 100)))
    result.edit(model={"candidates": {"linear": {"C": 0.1}}})
    result.train()
    verdict = judged(result)
    assert "result-too-good" in verdict.blocked_by
    assert "feature-too-good" not in verdict.blocked_by


def test_a_stale_model_is_blocked(result: Result) -> None:
    limit = timedelta(days=result.pilot.file.data.freshness_days)
    fresh = judged(result, as_of=AS_OF + limit - timedelta(days=1))
    stale = judged(result, as_of=AS_OF + limit + timedelta(days=1))
    assert fresh.passed
    assert stale.blocked_by == ["freshness"]


def test_evaluation_rows_in_training_are_blocked(result: Result) -> None:
    result.replace(
        "train", pd.concat([result.part("train"), result.part("evaluation").tail(30)], ignore_index=True)
    )
    verdict = judged(result)
    assert verdict.blocked_by == ["time-overlap"]
    assert "30 keys in both parts" in next(c for c in verdict.checks if c.id == "time-overlap").evidence


def test_training_labels_known_only_later_are_blocked(result: Result) -> None:
    train = result.part("train")
    train.loc[train.index[-3:], "late_known_at"] = result.part("evaluation")["late_known_at"].max()
    result.replace("train", train)
    assert judged(result).blocked_by == ["time-overlap"]


def test_labels_from_after_the_judgement_are_blocked(result: Result) -> None:
    early = judged(result, as_of=AS_OF - timedelta(days=5))
    assert {"time-overlap", "freshness"} == set(early.blocked_by)


def test_rows_that_break_the_contract_are_blocked(result: Result) -> None:
    rows = result.part("evaluation")
    rows.loc[rows.index[:3], "distance"] = 99_999.0
    result.replace("evaluation", rows)
    verdict = judged(result)
    assert verdict.blocked_by == ["contract"]
    assert "distance" in verdict.checks[0].evidence
    assert verdict.checks[0].value == 3


def test_a_miscalibrated_model_is_blocked(result: Result) -> None:
    """Trained without half of the late rows, it ranks as well and says too little."""
    late = result.part("train")["late"].astype(bool).to_numpy()
    result.train(keep=~late | (np.random.default_rng(0).random(len(late)) < 0.5))
    assert "calibration" in judged(result).blocked_by


def test_the_export_of_another_model_is_blocked(result: Result) -> None:
    trained = (result.paths.model / "pipeline.pkl").read_bytes()
    result.edit(model={"candidates": {"boosted": {**BOOSTED, "trees": 50}}})
    result.train()
    assert judged(result).passed
    (result.paths.model / "pipeline.pkl").write_bytes(trained)
    assert judged(result).blocked_by == ["parity"]


def test_a_model_that_fails_at_one_site_is_blocked(result: Result) -> None:
    rows = result.part("train")
    labels, here = rows["late"].to_numpy(float), (rows["origin"] == "LGA").to_numpy()
    labels[here] = 1 - labels[here]  # one airport's file had the flag the wrong way round
    result.train(labels=labels)
    verdict = judged(result)
    assert "sites" in verdict.blocked_by
    assert "too low: LGA" in next(c for c in verdict.checks if c.id == "sites").evidence


def test_a_site_too_small_to_judge_is_named_and_does_not_block(result: Result) -> None:
    rows = result.part("evaluation")
    few = rows[rows["origin"] == "LGA"].index[100:]
    result.replace("evaluation", rows.drop(few).reset_index(drop=True))
    check = next(c for c in judged(result).checks if c.id == "sites")
    assert check.passed
    assert "too small to judge: LGA (100 rows)" in check.evidence


def test_a_challenger_worse_than_the_champion_is_blocked(
    honest_result: Result, result: Result, release_of: Callable[[Result], Release]
) -> None:
    champion = release_of(honest_result)
    assert judged(honest_result, champion).passed, "as good as the champion is good enough"
    result.edit(model={"candidates": {"boosted": {**BOOSTED, "trees": 20}}})
    result.train()
    assert judged(result).passed, "alone it would do"
    verdict = judged(result, champion)
    assert verdict.blocked_by == ["champion"]
    assert verdict.champion == champion.id
    assert judged(honest_result, release_of(result)).passed, "and the other way round it is welcome"


def test_a_champion_that_cannot_be_scored_blocks(
    honest_result: Result, release_factory: ReleaseFactory, tmp_path: Path
) -> None:
    renamed = release_factory(
        tmp_path, edit={"contract.yaml": lambda content: content.replace(b"name: visib", b"name: visibility")}
    )
    verdict = judged(honest_result, renamed)
    assert verdict.blocked_by == ["champion"]
    assert "visibility" in next(c for c in verdict.checks if c.id == "champion").evidence


def test_a_tampered_report_opens_nothing(result: Result) -> None:
    labels = result.part("train")["late"].to_numpy(float)
    result.train(labels=np.random.default_rng(0).permutation(labels))
    write_json(
        result.paths.report(5, "evaluation"),
        {"brier_skill": {"value": 0.9, "low": 0.9, "high": 0.9}, "roc_auc": 0.7},
    )
    assert not judged(result).passed


@pytest.mark.parametrize("name", ["model.onnx", "pipeline.pkl", "baseline.pkl"])
def test_a_missing_file_is_named(result: Result, name: str) -> None:
    (result.paths.model / name).unlink()
    with pytest.raises(TremplinError, match=rf"{name} is missing. Run `dvc repro`"):
        judged(result)


def test_a_damaged_file_is_named(result: Result) -> None:
    (result.paths.model / "pipeline.pkl").write_bytes(b"half a file")
    with pytest.raises(TremplinError, match=r"pipeline.pkl cannot be read"):
        judged(result)


def test_tables_say_what_blocks(result: Result) -> None:
    result.replace(
        "train", pd.concat([result.part("train"), result.part("evaluation").tail(5)], ignore_index=True)
    )
    verdict = judged(result)
    markdown = verdict_markdown(verdict)
    assert "BLOCKED by time-overlap" in markdown
    assert markdown.count("\n| ") == len(verdict.checks) + 1
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(verdict_table(verdict))
    assert "BLOCKED by time-overlap" in console.export_text()
