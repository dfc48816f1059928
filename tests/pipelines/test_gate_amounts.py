"""A model that predicts an amount: the gate lets the honest one through and blocks each bad one for its own reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.recording.content import measurements, parameters
from tests.conftest import ReleaseFactory
from tests.delays import SMOOTH, Delays, make_delays
from tests.results import judged, line
from tremplin.release import Release, make_keys, write_release

RANGE = 240.0  # minutes, from -60 to 180


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Delays:
    return make_delays(tmp_path_factory.mktemp("delays"))


@pytest.fixture
def result(honest: Delays, tmp_path: Path) -> Delays:
    return honest.copy(tmp_path / "copy")


def labels(result: Delays) -> np.ndarray:
    """Of the training rows, on the unit interval."""
    return (result.part("train")["arrival_delay"].to_numpy(float) + 60) / RANGE


def test_an_honest_model_of_amounts_passes(honest: Delays) -> None:
    verdict = judged(honest)
    assert verdict.blocked_by == []
    assert "Squared-error" in line(verdict, "baseline").evidence
    assert "Concordance" in line(verdict, "result-too-good").evidence
    assert "minute" in line(verdict, "calibration").evidence


def test_the_evidence_is_in_minutes_where_people_read_it(honest: Delays) -> None:
    found = json.loads(honest.paths.report(5, "evaluation").read_text("utf-8"))
    rows = pd.read_parquet(honest.paths.reports / "evaluation.parquet")
    errors = rows["score"] - rows["label"]
    assert found["mae"]["value"] == pytest.approx(errors.abs().mean())
    assert found["rmse"]["value"] == pytest.approx((errors**2).mean() ** 0.5)
    assert found["bias"]["value"] == pytest.approx(errors.mean())
    assert found["r2"]["value"] == pytest.approx(1 - (errors**2).mean() / rows["label"].var(ddof=0))
    assert found["squared_error"]["value"] == pytest.approx((errors**2).mean() / RANGE**2)
    costs = np.where(errors > 0, errors, -2 * errors)  # a minute too much costs 1, a minute too little 2
    assert found["cost_per_row"]["value"] == pytest.approx(costs.mean())
    for name in ("mae", "rmse", "bias", "r2", "squared_error", "concordance", "cost_per_row"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"], name
    assert {"roc_auc", "brier", "precision", "recall", "flagged"} & set(found) == set()
    assert (honest.paths.reports / "plots" / "evaluation" / "residuals.png").exists()


def test_what_is_recorded_says_what_errors_cost_and_how_many_minutes_they_are(honest: Delays) -> None:
    said = parameters(honest.pilot, honest.paths)
    assert (said["task"], said["charter.costs.over"], said["charter.costs.under"]) == (
        "regression",
        "1.0",
        "2.0",
    )
    assert "charter.decision_threshold" not in said
    found = measurements(honest.pilot, honest.paths)
    assert found["mae_low"] < found["mae"] < found["mae_high"]
    assert 0.5 < found["by_site.EWR.concordance"] < 1


def test_a_linear_model_passes_as_well(result: Delays) -> None:
    result.recast(linear={"alpha": 1.0})
    assert judged(result).blocked_by == []


def test_a_model_that_learned_nothing_is_blocked_by_the_baseline(result: Delays) -> None:
    result.train(labels=np.random.default_rng(0).permutation(labels(result)))
    assert "baseline" in judged(result).blocked_by


def test_a_feature_that_knows_the_amount_is_blocked(result: Delays) -> None:
    for name in ("train", "evaluation"):
        rows = result.part(name)
        told = (rows["arrival_delay"] + 60) / RANGE + np.random.default_rng(0).normal(0, 0.05, len(rows))
        result.replace(name, rows.assign(recent_late_share=told.clip(0, 1)))
    result.train()
    verdict = judged(result)
    assert {"feature-too-good", "result-too-good"} <= set(verdict.blocked_by)
    assert line(verdict, "feature-too-good").evidence.startswith("too good: recent_late_share")


def test_a_model_whose_answers_are_shifted_is_blocked_by_its_calibration_alone(result: Delays) -> None:
    """Every answer 8 minutes too low: it ranks as well, and is still better than the baseline."""
    result.edit(gate={"calibration_limit": 0.03})  # 7 minutes: a fortnight proves 8 to be more than that
    result.train(labels=np.clip(labels(result) - 8 / RANGE, 0, 1))
    assert judged(result).blocked_by == ["calibration"]


def test_the_export_of_another_model_is_blocked(result: Delays) -> None:
    trained = (result.paths.model / "pipeline.pkl").read_bytes()
    result.recast(boosted={**SMOOTH, "trees": 50})
    assert judged(result).blocked_by == []
    (result.paths.model / "pipeline.pkl").write_bytes(trained)
    assert judged(result).blocked_by == ["parity"]


def test_a_model_that_fails_at_one_site_is_blocked(result: Delays) -> None:
    told, here = labels(result), (result.part("train")["origin"] == "LGA").to_numpy()
    told[here] = 2 * told[here].mean() - told[here]  # one airport wrote early for late
    result.train(labels=np.clip(told, 0, 1))
    verdict = judged(result)
    assert "sites" in verdict.blocked_by
    assert "too low: LGA" in line(verdict, "sites").evidence


def release_of(result: Delays, factory: ReleaseFactory, folder: Path) -> Release:
    """A signed release of the model that lies in a result."""
    files = {
        **factory.files,
        "model.onnx": result.paths.model / "model.onnx",
        "contract.yaml": result.folder / "contract.yaml",
    }
    keys = folder / "keys"
    make_keys(keys / "a.key", keys / "a.pub")
    return write_release(folder / "releases", files, factory(folder / "other").manifest, keys / "a.key")


def test_a_challenger_worse_than_the_champion_is_blocked(
    honest: Delays, result: Delays, release_factory: ReleaseFactory, tmp_path: Path
) -> None:
    champion = release_of(honest, release_factory, tmp_path)
    assert judged(honest, champion).passed, "as good as the champion is good enough"
    result.recast(boosted={**SMOOTH, "trees": 20})
    assert judged(result, champion).blocked_by == ["champion"]


def test_a_champion_that_answers_another_question_is_not_compared(
    honest: Delays, release_factory: ReleaseFactory, tmp_path: Path
) -> None:
    verdict = judged(honest, release_factory(tmp_path))
    assert verdict.blocked_by == ["champion"]
    assert "predicts late (classification)" in line(verdict, "champion").evidence


def of_carriers(result: Delays) -> None:
    """Fairness is measured by carrier (of people there is nothing in these rows)."""
    path = result.folder / "contract.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    column = next(c for c in content["schema"][0]["properties"] if c["name"] == "carrier")
    column["tags"].append("protected")
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    result.edit(
        charter={
            "fairness": {"limited": ["calibration"], "reason": "Each carrier plans by what is said of it"}
        },
        gate={"fairness": {"minimum_rows": 200, "limits": {"calibration": {"carrier": 0.3}}}},
    )


def test_a_group_that_is_always_told_too_little_is_blocked_for_fairness(
    honest: Delays, tmp_path: Path
) -> None:
    result = honest.copy(tmp_path / "copy")
    of_carriers(result)
    assert line(judged(result), "fairness").passed
    told, here = labels(result), (result.part("train")["carrier"] == "B6").to_numpy()
    result.train(labels=np.where(here, told * 0.5, told))
    check = line(judged(result), "fairness")
    assert not check.passed
    assert "carrier=B6 observed/expected" in check.evidence
    measures = {gap.measure for gap in judged(result).fairness}
    assert measures == {"mean_answer", "calibration"}, "rates of decisions do not apply to amounts"
