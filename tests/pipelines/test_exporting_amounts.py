"""ONNX of regressors: the same amounts as the trained pipeline, none beyond the contract's range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from pipelines.exporting import check_convertible, export_onnx
from pipelines.fitting import fit, predict
from tests.delays import Delays, delays
from tremplin.errors import TremplinError
from tremplin.frame import model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import Pilot

LOW, HIGH = -60.0, 180.0


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    return delays(tmp_path_factory.mktemp("exporting")).pilot


def made_up(pilot: Pilot, rows: int = 3_000) -> tuple[pd.DataFrame, np.ndarray]:
    """Features within the contract, some missing, and amounts that follow three of them, a tenth beyond the range."""
    random = np.random.default_rng(3)
    columns = {}
    for feature in pilot.contract.features:
        if feature.numeric:
            low, high = feature.logicalTypeOptions.minimum, feature.logicalTypeOptions.maximum
            assert low is not None
            assert high is not None
            values = random.uniform(low, high, rows)
            columns[feature.name] = (
                np.where(random.random(rows) < 0.1, np.nan, values) if feature.nullable else values
            )
        else:
            columns[feature.name] = random.choice(
                np.array(feature.categories or ["AA", "BB", "CC"], dtype=object), rows
            )
    frame = model_frame(pd.DataFrame(columns), pilot.contract)
    minutes = (
        300 * (frame["overdue"] / 200 - 0.3) + 40 * (frame["origin"] == "EWR") + random.normal(0, 10, rows)
    )
    return frame, pilot.contract.scale.to_unit(minutes)


def answers(pilot: Pilot, fitted: Pipeline, frame: pd.DataFrame, folder: Path) -> np.ndarray:
    path = folder / "model.onnx"
    path.write_bytes(export_onnx(fitted, pilot.contract))
    return OnnxModel(path, pilot.contract).score({str(name): frame[name].tolist() for name in frame})


@pytest.mark.parametrize("name", ["baseline", "boosted"])
def test_the_pilots_own_regressors_answer_the_same(pilot: Pilot, tmp_path: Path, name: str) -> None:
    frame, labels = made_up(pilot)
    fitted = fit(pilot, pilot.file.model, name, frame, labels)
    strange = frame.assign(dest="ZZZ", carrier="", temp=np.float32(np.nan))
    for asked in (frame, strange):
        said = answers(pilot, fitted, asked, tmp_path)
        np.testing.assert_allclose(said, predict(fitted, asked, pilot.contract), atol=1e-3)
        assert said.shape == (len(asked),)


@pytest.mark.parametrize(
    "estimator",
    [
        LGBMRegressor(n_estimators=20, objective="regression_l1", verbose=-1, n_jobs=1),
        LGBMRegressor(n_estimators=20, objective="huber", verbose=-1, n_jobs=1),
        LGBMRegressor(n_estimators=20, objective="quantile", alpha=0.8, verbose=-1, n_jobs=1),
        make_pipeline(SimpleImputer(), StandardScaler(), HuberRegressor(max_iter=500)),
        make_pipeline(SimpleImputer(), GradientBoostingRegressor(n_estimators=20)),
        make_pipeline(SimpleImputer(), RandomForestRegressor(n_estimators=10, max_depth=6)),
        make_pipeline(SimpleImputer(), DecisionTreeRegressor(max_depth=6)),
    ],
)
def test_other_regressors_answer_the_same(pilot: Pilot, tmp_path: Path, estimator: object) -> None:
    frame, labels = made_up(pilot)
    fitted = Pipeline([("features", pilot.features.transformer()), ("estimator", estimator)])
    fitted.fit(frame, pilot.contract.scale.from_unit(labels))
    said = answers(pilot, fitted, frame, tmp_path)
    np.testing.assert_allclose(said, predict(fitted, frame, pilot.contract), atol=0.01)


def test_no_answer_is_beyond_the_range_of_the_contract(pilot: Pilot, tmp_path: Path) -> None:
    frame, labels = made_up(pilot)
    wild = make_pipeline(SimpleImputer(), Ridge())
    fitted = Pipeline([("features", pilot.features.transformer()), ("estimator", wild)])
    fitted.fit(frame, 10 * pilot.contract.scale.from_unit(labels))
    said = answers(pilot, fitted, frame, tmp_path)
    assert (said.min(), said.max()) == (LOW, HIGH)
    np.testing.assert_allclose(said, predict(fitted, frame, pilot.contract), atol=1e-3)


def test_a_threshold_between_two_neighbouring_floats_sends_no_row_down_the_wrong_branch(
    pilot: Pilot, tmp_path: Path
) -> None:
    frame, _ = made_up(pilot, 1_000)
    low = np.float32(7.1)
    trees = LGBMRegressor(n_estimators=5, min_child_samples=1, min_data_in_bin=1, verbose=-1, n_jobs=1)
    fitted = Pipeline([("features", pilot.features.transformer()), ("estimator", trees)])
    for shift in range(10):  # thresholds round up for some neighbours and down for others
        pair = np.array([low, np.nextafter(low, np.float32(np.inf))]) * np.float32(1.003**shift)
        near = frame.assign(temp=np.tile(pair, 500).astype(np.float32))
        fitted.fit(near, np.tile([0.0, 100.0], 500))
        said = answers(pilot, fitted, near, tmp_path)
        np.testing.assert_allclose(said, predict(fitted, near, pilot.contract), atol=1e-3)


def test_the_model_has_one_output_and_the_same_bytes_each_time(pilot: Pilot) -> None:
    frame, labels = made_up(pilot)
    fitted = fit(pilot, pilot.file.model, "boosted", frame, labels)
    content = export_onnx(fitted, pilot.contract)
    assert content == export_onnx(fitted, pilot.contract)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [each.name for each in model.graph.output] == ["amount"]
    assert [each.name for each in model.graph.input] == [feature.name for feature in pilot.contract.features]


def test_the_pilot_is_convertible(pilot: Pilot) -> None:
    check_convertible(pilot)


def written(folder: Path, old: str, new: str, imports: str) -> Delays:
    """The pilot with another estimator in its ``model.py``."""
    made = delays(folder)
    path = made.folder / "model.py"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(
        text.replace(old, new).replace("from typing import Any\n", f"from typing import Any\n{imports}\n")
    )
    return made


def test_a_regressor_that_does_not_convert_is_named(tmp_path: Path) -> None:
    made = written(
        tmp_path,
        "return make_pipeline(known, Ridge())",
        "return TransformedTargetRegressor(Ridge())",
        "from sklearn.compose import TransformedTargetRegressor",
    )
    with pytest.raises(TremplinError, match=r"model\.py: baseline does not convert to ONNX"):
        check_convertible(made.pilot)


@pytest.mark.parametrize(
    ("estimator", "imports", "said"),
    [
        (
            "LogisticRegression()",
            "from sklearn.linear_model import LogisticRegression",
            "baseline is no regressor.*arrival_delay is an amount",
        ),
        ("KMeans()", "from sklearn.cluster import KMeans", "baseline is no regressor"),
    ],
)
def test_an_estimator_of_another_task_is_refused(
    tmp_path: Path, estimator: str, imports: str, said: str
) -> None:
    made = written(
        tmp_path, "return make_pipeline(known, Ridge())", f"return make_pipeline(known, {estimator})", imports
    )
    with pytest.raises(TremplinError, match=said):
        check_convertible(made.pilot)
