"""The verdict as a whole, and the checks of the data, on real departures. Each bad model and each honest one: ``tests/gates``."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pipelines.gate.checks import ALL
from pipelines.stages import write_json
from pipelines.verdict import Verdict, canonical_json, verdict_hash, verdict_markdown, verdict_table
from tests.conftest import ReleaseFactory
from tests.gates.judging import release_of
from tests.results import AS_OF, BOOSTED, Result, judged, line
from tremplin.canonical import digest
from tremplin.errors import TremplinError


@pytest.fixture
def result(honest_result: Result, tmp_path: Path) -> Result:
    return honest_result.copy(tmp_path / "copy")


def test_an_honest_model_passes_every_check(honest_result: Result) -> None:
    verdict = judged(honest_result)
    assert verdict.passed
    assert verdict.blocked_by == []
    assert len({check.id for check in verdict.checks}) == len(ALL), "each check once"
    assert all(check.evidence and check.source and check.requirement for check in verdict.checks)


def test_the_same_files_give_the_same_verdict(honest_result: Result) -> None:
    first, second = judged(honest_result), judged(honest_result)
    assert canonical_json(first) == canonical_json(second)
    assert verdict_hash(first) == verdict_hash(second)
    assert verdict_hash(first) == digest(first.model_dump(mode="json"))
    assert Verdict.model_validate_json(canonical_json(first)) == first


@pytest.mark.parametrize("way", ["not monotone", "category"])
def test_a_leak_is_found_in_whichever_form(result: Result, way: str) -> None:
    for name in ("train", "evaluation"):
        rows = result.part(name)
        late = rows["late"].astype(bool).to_numpy()
        noise = np.random.default_rng(0).random(len(rows))
        if way == "not monotone":  # far from the middle, on either side
            rows["humid"] = 50 + np.where(noise < 0.5, -1, 1) * (20 * late + 10 * noise)
        else:
            rows["dest"] = np.where(late & (noise < 0.9), "AAA", "BBB")
        result.replace(name, rows)
    assert "feature-too-good" in judged(result).blocked_by


def test_a_model_is_fresh_until_its_last_day(result: Result) -> None:
    limit = timedelta(days=result.pilot.file.data.freshness_days)
    assert judged(result, as_of=AS_OF + limit - timedelta(days=1)).passed


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


def test_a_site_too_small_to_judge_is_named_and_does_not_block(result: Result) -> None:
    rows = result.part("evaluation")
    few = rows[rows["origin"] == "LGA"].index[100:]
    result.replace("evaluation", rows.drop(few).reset_index(drop=True))
    check = next(c for c in judged(result).checks if c.id == "sites")
    assert check.passed
    assert "too small to judge: LGA (100 rows)" in check.evidence


def test_a_challenger_worse_than_the_champion_is_blocked(
    honest_result: Result, result: Result, tmp_path: Path
) -> None:
    champion = release_of(honest_result, tmp_path / "champion")
    assert judged(honest_result, champion).passed, "as good as the champion is good enough"
    result.recast(boosted={**BOOSTED, "trees": 20})
    assert judged(result).passed, "alone it would do"
    verdict = judged(result, champion)
    assert verdict.blocked_by == ["champion"]
    assert verdict.champion == champion.id
    lesser = release_of(result, tmp_path / "lesser")
    assert judged(honest_result, lesser).passed, "and the other way round it is welcome"


def test_a_champion_that_cannot_be_scored_blocks(
    honest_result: Result, release_factory: ReleaseFactory, tmp_path: Path
) -> None:
    renamed = release_factory(
        tmp_path, edit={"contract.yaml": lambda content: content.replace(b"name: visib", b"name: visibility")}
    )
    verdict = judged(honest_result, renamed)
    assert verdict.blocked_by == ["champion"]
    evidence = line(verdict, "champion").evidence
    assert "visibility" in evidence
    assert "Leave it in the contract without the tag `feature`" in evidence


def test_a_column_goes_in_two_steps_and_the_champion_that_needs_it_is_met_on_the_same_rows(
    honest_result: Result, result: Result, tmp_path: Path
) -> None:
    """First it is no feature any more, and stays in the contract; once the model without it is champion, it is taken out."""
    champion = release_of(honest_result, tmp_path / "champion")
    result.rewrite("features.py", '"pressure", "visib",', '"pressure",')
    said = "description: Visibility at the origin, same observation\n        tags: "
    result.rewrite("contract.yaml", f"{said}[feature]", f"{said}[]")
    result.retrain()
    verdict = judged(result, champion)
    assert verdict.passed, verdict.blocked_by
    assert line(verdict, "champion").interval is not None


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
