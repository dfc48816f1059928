"""Choosing and fitting a model, and what of the training rows may leave with it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines import modeling, preparation
from pipelines.ingestion import ingest
from pipelines.modeling import choose, time_folds
from pipelines.profiling import smoke_rows
from tests.pipelines.lamp_town import AS_OF, FILES, Town, lamps, town
from tremplin.batch_checks import check_rows
from tremplin.contract import load_contract
from tremplin.frame import model_frame
from tremplin.onnx_model import OnnxModel

CONTRACT = load_contract(FILES / "contract.yaml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The stages' own files, up to the model."""
    place = town(tmp_path_factory.mktemp("trained"))
    ingest(place.pilot, place.paths, AS_OF)
    preparation.stage(place.pilot, place.paths)
    modeling.stage(place.pilot, place.paths)
    return place


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def train_rows(place: Town) -> pd.DataFrame:
    return pd.read_parquet(place.paths.prepared / "train.parquet")


# Folds


def labelled() -> pd.DataFrame:
    rows = lamps()
    return rows[rows["failed"].notna()].reset_index(drop=True)


def test_each_fold_knows_only_what_was_known_before_it() -> None:
    rows = labelled()
    folds = list(time_folds(rows, CONTRACT, count=3, timezone="Europe/Paris"))
    assert len(folds) == 3
    for known, later in folds:
        begin = rows["morning"].iloc[later].min()
        assert rows["morning"].iloc[known].max() < begin
        assert rows["failed_known_at"].iloc[known].max() <= begin
    assert [len(known) for known, _ in folds] == sorted(len(known) for known, _ in folds)


def test_the_later_parts_do_not_overlap_and_hold_whole_days() -> None:
    rows = labelled()
    parts = [later for _, later in time_folds(rows, CONTRACT, count=3, timezone="Europe/Paris")]
    assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))
    days = [set(rows["morning"].iloc[part].dt.tz_convert("Europe/Paris").dt.date) for part in parts]
    assert not days[0] & days[1]
    assert not days[1] & days[2]


# The choice


def test_the_better_candidate_wins_where_every_fold_says_so_however_much_the_seasons_differ() -> None:
    assert choose({"linear": [0.10, 0.20, 0.15], "boosted": [0.09, 0.19, 0.139]}) == "boosted"


def test_the_simpler_candidate_wins_a_tie_and_a_lead_within_the_noise() -> None:
    assert choose({"linear": [0.10, 0.20], "boosted": [0.10, 0.20]}) == "linear"
    assert choose({"linear": [0.101, 0.199, 0.152], "boosted": [0.10, 0.20, 0.15]}) == "linear"


def test_the_simplest_within_reach_is_taken_not_the_next_best() -> None:
    scores = {"plain": [0.15, 0.25, 0.20], "linear": [0.101, 0.199, 0.151], "boosted": [0.10, 0.20, 0.15]}
    assert choose(scores) == "linear"


# What the stage leaves


def test_the_evidence_names_the_winner_and_every_fold_of_every_candidate(trained: Town) -> None:
    found = read(trained.paths.report(4, "modeling"))
    scores = found["cross_validation"]
    assert set(scores) == {"baseline", "linear", "boosted"}
    assert all(len(score["brier"]) == 3 for score in scores.values())
    assert found["winner"] == "linear"  # the truth is linear
    assert scores[found["winner"]]["mean"] < scores["baseline"]["mean"]
    assert found["rows"] == len(train_rows(trained))


def test_the_exported_model_is_the_pickled_one(trained: Town) -> None:
    _ = trained.pilot.features, trained.pilot.model
    frame = model_frame(train_rows(trained), CONTRACT)
    fitted = pickle.loads((trained.paths.model / "pipeline.pkl").read_bytes())
    onnx = OnnxModel(trained.paths.model / "model.onnx", CONTRACT)
    scores = onnx.score({name: frame[name].tolist() for name in frame})
    np.testing.assert_allclose(scores, fitted.predict_proba(frame)[:, 1], atol=1e-6)


def test_training_twice_gives_the_same_bytes(trained: Town) -> None:
    def files() -> dict[str, bytes]:
        folder = trained.paths.model
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    first = files()
    assert set(first) - {"fast/booster.txt"} == {
        "pipeline.pkl", "baseline.pkl", "model.onnx", "fast/encoding.json", "profile.json", "reference.parquet",
    }  # fmt: skip
    modeling.stage(trained.pilot, trained.paths)
    assert files() == first


def test_the_reference_is_a_sample_of_the_features_alone(trained: Town) -> None:
    sample = pd.read_parquet(trained.paths.model / "reference.parquet")
    assert list(sample) == [feature.name for feature in CONTRACT.features]
    assert len(sample) == trained.pilot.file.monitoring.drift_sample


def test_the_profile_describes_training(trained: Town) -> None:
    profile, rows = read(trained.paths.model / "profile.json"), train_rows(trained)
    assert profile["ranges"]["age"] == [rows["age"].min(), rows["age"].max()]
    assert profile["categories"] == {"quarter": ["north", "port", "south"], "kind": ["led", "sodium"]}
    for name, bins in profile["bins"].items():
        assert sum(bins["shares"]) + bins["missing"] == pytest.approx(1), name
        assert len(bins["shares"]) == (len(bins["edges"]) + 1 if "edges" in bins else len(bins["values"]))


# Smoke rows


def test_smoke_rows_are_valid_requests_and_nobodys_row(trained: Town) -> None:
    smoke, rows = read(trained.paths.model / "profile.json")["smoke"], train_rows(trained)
    for sent in smoke["rows"]:
        # One at a time, as a caller sends them; JSON has no time.
        request = pd.DataFrame([sent]).assign(morning=pd.Timestamp(sent["morning"]))
        kept = {name: request[name].dropna() for name in request if request[name].notna().all()}
        request = request.astype({name: object for name in request if name not in kept and name != "morning"})
        assert not check_rows(request, CONTRACT, columns="request").breaches
    features = [
        feature.name for feature in CONTRACT.features if feature.name not in ("quarter", "kind", "wet")
    ]
    shown = {tuple(row[name] for name in features) for row in smoke["rows"] if None not in row.values()}
    assert not shown & set(rows[features].dropna().itertuples(index=False, name=None))


def test_the_last_smoke_row_leaves_out_what_may_be_missing(trained: Town) -> None:
    rows = read(trained.paths.model / "profile.json")["smoke"]["rows"]
    assert {name for name, value in rows[-1].items() if value is None} == {"kind", "voltage", "flickers"}
    assert all(None not in row.values() for row in rows[:-1])


def test_the_model_gives_the_smoke_scores(trained: Town) -> None:
    smoke = read(trained.paths.model / "profile.json")["smoke"]
    onnx = OnnxModel(trained.paths.model / "model.onnx", CONTRACT)
    columns = {feature.name: [row[feature.name] for row in smoke["rows"]] for feature in CONTRACT.features}
    np.testing.assert_allclose(onnx.score(columns), smoke["scores"], atol=1e-7)
    assert len(set(smoke["scores"])) == len(smoke["rows"]) == 5


def emptied(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(**{column: rows[column].mask(rows[column].notna())})


@pytest.mark.parametrize("column", ["voltage", "kind", "flickers"])
def test_a_column_that_was_always_empty_takes_the_contracts_example(column: str) -> None:
    rows = smoke_rows(emptied(column)(labelled()), CONTRACT)
    assert rows[0][column] == CONTRACT.column(column).examples[0]
