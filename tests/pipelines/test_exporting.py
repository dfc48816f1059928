"""ONNX of a whole fitted pipeline: the same answers, the same bytes, and a named step where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.pipeline import Pipeline

from pipelines.exporting import check_convertible, export_onnx
from pipelines.fitting import fit, labels_of
from tests.pipelines.lamp_town import Town, lamps, town
from tremplin.errors import TremplinError
from tremplin.frame import model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.pilot import list_pilots, load_pilot

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return town(tmp_path_factory.mktemp("exporting"))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    found = lamps()
    return found[found["failed"].notna()].reset_index(drop=True)


def largest_difference(place: Town, fitted: Pipeline, frame: pd.DataFrame, folder: Path) -> float:
    path = folder / "model.onnx"
    path.write_bytes(export_onnx(fitted, place.pilot.contract))
    columns: dict[str, Any] = {str(name): frame[name].tolist() for name in frame}
    scores = OnnxModel(path, place.pilot.contract).score(columns)
    return float(np.abs(scores - fitted.predict_proba(frame)[:, 1]).max())


@pytest.mark.parametrize("name", ["baseline", "linear", "boosted"])
def test_missing_values_and_categories_never_seen_get_the_same_answer(
    place: Town, rows: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    contract = place.pilot.contract
    fitted = fit(
        place.pilot, place.pilot.file.model, name, model_frame(rows, contract), labels_of(rows, contract)
    )
    strange = rows.head(500).assign(kind="neon", voltage=np.nan)
    frame = model_frame(pd.concat([rows, strange], ignore_index=True), contract)
    assert largest_difference(place, fitted, frame, tmp_path) < 1e-6


def test_a_threshold_between_two_neighbouring_floats_sends_no_row_down_the_wrong_branch(
    place: Town, tmp_path: Path
) -> None:
    low = np.float32(7.1)
    high = np.nextafter(low, np.float32(np.inf))
    frame = pd.DataFrame(
        {
            "quarter": "north", "kind": "led", "age": np.tile([low, high], 500).astype(np.float32),
            "voltage": np.float32(230), "flickers": np.float32(1), "wet": np.float32(0),
        }
    )  # fmt: skip
    trees = LGBMClassifier(n_estimators=5, min_child_samples=1, min_data_in_bin=1, verbose=-1, n_jobs=1)
    fitted = Pipeline([("features", place.pilot.features.transformer()), ("estimator", trees)])
    for shift in range(20):  # thresholds round up for some neighbours and down for others
        near = frame.assign(age=np.float32(1.003**shift) * frame["age"])
        fitted.fit(near, np.tile([0, 1], 500))
        assert largest_difference(place, fitted, near, tmp_path) < 1e-6


def test_what_lightgbm_takes_for_zero_is_zero(place: Town, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "quarter": "north", "kind": "led", "age": np.tile(np.float32([-1, 0, 1]), 300),
            "voltage": np.float32(230), "flickers": np.float32(1), "wet": np.float32(0),
        }
    )  # fmt: skip
    trees = LGBMClassifier(n_estimators=5, min_child_samples=1, verbose=-1, n_jobs=1)
    fitted = Pipeline([("features", place.pilot.features.transformer()), ("estimator", trees)])
    fitted.fit(frame, np.tile([1, 0, 1], 300))
    assert "-1.0000000180025095e-35" in trees.booster_.model_to_string()  # a threshold
    zero = np.float32(1e-35)
    beyond = np.nextafter(zero, np.float32(1))
    asked = frame.head(7).assign(age=[-beyond, -zero, -zero / 2, np.float32(0), zero / 2, zero, beyond])
    assert largest_difference(place, fitted, asked, tmp_path) < 1e-6


def test_the_model_has_one_named_input_a_feature_and_the_same_bytes_each_time(
    place: Town, rows: pd.DataFrame
) -> None:
    contract = place.pilot.contract
    fitted = fit(
        place.pilot, place.pilot.file.model, "boosted", model_frame(rows, contract), labels_of(rows, contract)
    )
    content = export_onnx(fitted, contract)
    assert content == export_onnx(fitted, contract)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [each.name for each in model.graph.input] == [feature.name for feature in contract.features]
    assert sorted((each.domain, each.version) for each in model.opset_import) == [("", 17), ("ai.onnx.ml", 3)]


@pytest.mark.parametrize("name", list_pilots(CHECKOUT))
def test_the_pilots_of_the_checkout_convert(name: str) -> None:
    check_convertible(load_pilot(name, CHECKOUT))


FUNCTION = """
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

def transformer():
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([
        ("codes", codes, ["quarter", "kind"]),
        ("cycle", FunctionTransformer(np.sin), ["age"]),
        ("numbers", "passthrough", ["voltage", "flickers", "wet"]),
    ])
"""


def test_a_transformer_that_does_not_convert_is_named(tmp_path: Path) -> None:
    place = town(tmp_path)
    place.csv.with_name("features.py").write_text(FUNCTION)
    with pytest.raises(TremplinError, match=r"features\.py.*does not convert to ONNX: FunctionTransformer"):
        check_convertible(place.pilot)


def test_an_estimator_that_does_not_convert_is_named(tmp_path: Path) -> None:
    place = town(tmp_path)
    file = place.csv.with_name("model.py")
    text = file.read_text().replace("LogisticRegression(C=C, random_state=seed)", "LabelPropagation()")
    file.write_text(
        "from sklearn.semi_supervised import LabelPropagation\n" + text.replace("from __future__", "# from")
    )
    with pytest.raises(
        TremplinError, match=r"model\.py: linear does not convert to ONNX: .*LabelPropagation"
    ):
        check_convertible(place.pilot)


def test_a_model_that_does_not_fit_is_named(tmp_path: Path) -> None:
    place = town(tmp_path)
    file = place.csv.with_name("model.py")
    file.write_text(file.read_text().replace("[2, 3, 4, 5])]", "[2, 3, 4, 55])]"))
    with pytest.raises(TremplinError, match=r"lamps: linear does not fit .*Mend features\.py or model\.py"):
        check_convertible(place.pilot)
