"""The final evaluation: on the exported model, with intervals, by site and week, and in money."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines import evaluation, modeling, preparation
from pipelines.ingestion import ingest
from pipelines.measures import whole
from tests.pipelines.lamp_town import AS_OF, Town, town
from tremplin.comparison import Bootstrap, Floats
from tremplin.target import Scale

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The stages' own files, up to the evaluation."""
    place = town(tmp_path_factory.mktemp("evaluated"))
    ingest(place.pilot, place.paths, AS_OF)
    for stage in (preparation, modeling, evaluation):
        stage.stage(place.pilot, place.paths)
    return place


def evidence(place: Town) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.paths.report(5, "evaluation").read_text("utf-8"))
    return found


def scored(place: Town) -> pd.DataFrame:
    return pd.read_parquet(place.paths.reports / "evaluation.parquet")


def test_every_score_lies_in_its_interval(evaluated: Town) -> None:
    found = evidence(evaluated)
    estimates = {name: value for name, value in found.items() if isinstance(value, dict) and "low" in value}
    assert {"roc_auc", "average_precision", "brier", "brier_skill", "observed_expected", "recall"} <= set(
        estimates
    )
    for name, estimate in estimates.items():
        if name != "calibration_error":  # its draws lie above it: see its docstring
            assert estimate["low"] < estimate["value"] < estimate["high"], name


def test_the_truth_is_found_in_rows_never_touched(evaluated: Town) -> None:
    found, rows = evidence(evaluated), scored(evaluated)
    assert found["rows"] == len(rows) == len(pd.read_parquet(evaluated.paths.prepared / "evaluation.parquet"))
    assert found["brier"]["value"] == pytest.approx(((rows["score"] - rows["label"]) ** 2).mean())
    assert found["brier_skill"]["low"] > 0
    assert 0.9 < found["observed_expected"]["value"] < 1.1
    assert found["parity"] < 1e-6


def test_the_table_of_scores_names_every_row(evaluated: Town) -> None:
    rows = scored(evaluated)
    assert list(rows) == ["key", "time", "site", "label", "score", "baseline_score"]
    assert rows["key"].is_unique


def test_sites_and_weeks_add_up(evaluated: Town) -> None:
    found = evidence(evaluated)
    assert set(found["by_site"]) == {"north", "south", "port"}
    for part in ("by_site", "by_week"):
        assert sum(group["rows"] for group in found[part].values()) == found["rows"]
    assert found["by_site"]["port"]["roc_auc"]["low"] < found["roc_auc"]["value"]


def test_what_the_model_looks_at_is_what_matters(evaluated: Town) -> None:
    lost = evidence(evaluated)["importance"]
    assert set(lost) == {feature.name for feature in evaluated.pilot.contract.features}
    assert max(lost, key=lambda name: lost[name]) == "age"
    assert lost["flickers"] > 0.02
    assert abs(lost["voltage"]) < 0.01


def test_other_seeds_give_nearly_the_same(evaluated: Town) -> None:
    found = evidence(evaluated)
    assert len(found["over_seeds"]) == 2
    for other in found["over_seeds"].values():
        assert other["brier"] == pytest.approx(found["brier"]["value"], abs=0.01)
    assert len({other["brier"] for other in found["over_seeds"].values()}) == 2


def test_pictures_are_there(evaluated: Town) -> None:
    pictures = sorted((evaluated.paths.reports / "plots" / "evaluation").iterdir())
    assert [picture.stem for picture in pictures] == [
        "by_site",
        "by_week",
        "calibration",
        "importance",
        "ranking",
    ]
    assert all(picture.read_bytes().startswith(PNG) for picture in pictures)


def test_nothing_in_the_evidence_depends_on_the_place_or_the_run(evaluated: Town) -> None:
    first = {p: p.read_bytes() for p in evaluated.paths.reports.rglob("*") if p.is_file()}
    evaluation.stage(evaluated.pilot, evaluated.paths)
    assert {p: p.read_bytes() for p in evaluated.paths.reports.rglob("*") if p.is_file()} == first
    assert not any(str(evaluated.root).encode() in content for content in first.values())


def test_a_broken_export_shows_in_the_parity(evaluated: Town, tmp_path: Path) -> None:
    place = Town(tmp_path)
    shutil.copytree(evaluated.root, tmp_path, dirs_exist_ok=True)
    shutil.copy(place.paths.model / "baseline.pkl", place.paths.model / "pipeline.pkl")
    evaluation.stage(place.pilot, place.paths)
    assert evidence(place)["parity"] > 0.1


def test_decisions_and_costs_by_hand(evaluated: Town) -> None:
    charter = evaluated.pilot.charter.model_copy(
        update={
            "costs": evaluated.pilot.charter.costs.model_copy(update={"false_alarm": 30.0, "missed": 60.0})
        }
    )
    labels: Floats = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=np.float64)
    scores: Floats = np.array([0.9, 0.5, 0.1, 0.6, 0.2, 0.1, 0.1, 0.1])
    how = Bootstrap(samples=50, confidence=0.9, seed=1)
    found = whole(labels, scores, np.arange(8), charter=charter, scale=Scale(0, 1), how=how)
    assert found["precision"]["value"] == found["recall"]["value"] == pytest.approx(2 / 3)
    assert found["cost_per_row"]["value"] == pytest.approx((30 + 60) / 8)
    assert found["saved_per_row_against_none"]["value"] == pytest.approx((3 * 60 - 90) / 8)
    assert found["saved_per_row_against_all"]["value"] == pytest.approx((5 * 30 - 90) / 8)


def test_a_pilot_without_sites_is_evaluated_all_the_same(tmp_path: Path) -> None:
    place = town(tmp_path)
    file = place.csv.with_name("contract.yaml")
    text = file.read_text("utf-8")
    assert "tags: [site, feature]" in text
    file.write_text(text.replace("tags: [site, feature]", "tags: [feature]"), "utf-8")
    ingest(place.pilot, place.paths, AS_OF)
    for stage in (preparation, modeling, evaluation):
        stage.stage(place.pilot, place.paths)
    assert "by_site" not in evidence(place)
    assert list(scored(place)) == ["key", "time", "label", "score", "baseline_score"]
