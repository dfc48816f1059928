"""The fast form of a fitted pipeline: the same answers as its own, or none; the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from pipelines import modeling
from pipelines.fast import NoFastForm, export_fast
from pipelines.fitting import labels_of, predict
from serving.fast import open_fast
from tests.pipelines.lamp_town import Town, lamps, town
from tremplin.contract import Contract
from tremplin.frame import model_frame

TEXTS, NUMBERS = ["quarter", "kind"], ["age", "voltage", "flickers", "wet"]
CODES = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
HOT = OneHotEncoder(handle_unknown="ignore")
TREES = LGBMClassifier(
    n_estimators=15, num_leaves=7, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1
)
FILLED = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return town(tmp_path_factory.mktemp("fast")).pilot.contract


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    found = lamps()
    return found[found["failed"].notna()].reset_index(drop=True)


@pytest.fixture(scope="module")
def strange(rows: pd.DataFrame) -> pd.DataFrame:
    """Real rows, rows of a kind never seen, rows without what may be missing, rows at the contract's ends."""
    some = rows.head(300)
    return pd.concat(
        [
            some,
            some.assign(kind="neon"),
            some.assign(kind=None, voltage=np.nan, flickers=pd.NA),
            some.assign(age=0.0, voltage=100.0, flickers=0),
            some.assign(age=40.0, voltage=300.0, flickers=500),
        ],
        ignore_index=True,
    ).astype({"flickers": "Int64"})


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """As a server has them: None where a value is missing."""
    return [
        {name: None if value == "" or value != value else value for name, value in row.items()}  # noqa: PLR0124
        for row in frame.to_dict("records")
    ]


def chosen(texts: Any = CODES, numbers: Any = "passthrough") -> ColumnTransformer:
    return ColumnTransformer([("texts", texts, TEXTS), ("numbers", numbers, NUMBERS)])


def logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=500)


def by_place(*parts: tuple[Any, Any], rest: str = "drop") -> ColumnTransformer:
    return ColumnTransformer([(str(n), part, where) for n, (part, where) in enumerate(parts)], remainder=rest)


FOLLOWED: dict[str, Callable[[], list[Any]]] = {
    "trees on codes": lambda: [chosen(), TREES],
    "trees on codes where a missing text has none": lambda: [
        chosen(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)), TREES,
    ],
    "trees on indicators and filled numbers": lambda: [chosen(HOT, SimpleImputer()), TREES],
    "trees on scaled numbers": lambda: [chosen(CODES, StandardScaler()), TREES],
    "trees on some columns": lambda: [
        ColumnTransformer([("age", "passthrough", ["age"]), ("kind", CODES, ["kind"])], remainder="drop"), TREES,
    ],
    "trees in a pipeline of their own": lambda: [chosen(), make_pipeline(by_place(("passthrough", slice(1, 5))), TREES)],
    "trees that drop branches": lambda: [chosen(), LGBMClassifier(n_estimators=15, boosting_type="dart", verbose=-1)],
    "lines on indicators": lambda: [chosen(HOT, FILLED), logistic()],
    "lines on indicators without the first": lambda: [
        chosen(OneHotEncoder(drop="first", handle_unknown="ignore"), FILLED), logistic(),
    ],
    "lines on codes turned to indicators": lambda: [
        chosen(), make_pipeline(by_place((HOT, [0, 1]), (FILLED, [2, 3, 4, 5])), logistic()),
    ],
    "lines on filled codes": lambda: [chosen(CODES, SimpleImputer(strategy="constant", fill_value=3.5)), logistic()],
    "lines on other scales": lambda: [
        chosen(HOT, SimpleImputer()),
        make_pipeline(by_place((MinMaxScaler(), slice(0, 7)), (RobustScaler(), [7]), (MaxAbsScaler(), [8, 9])), logistic()),
    ],
    "a scale over everything": lambda: [chosen(HOT, SimpleImputer()), make_pipeline(StandardScaler(with_mean=False), logistic())],
    "bins": lambda: [
        chosen(HOT, make_pipeline(SimpleImputer(), KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf"))), logistic(),
    ],
    "bins by their number": lambda: [
        chosen(HOT, make_pipeline(SimpleImputer(), KBinsDiscretizer(5, encode="ordinal", strategy="uniform"))), logistic(),
    ],
    "bins beside the number": lambda: [
        by_place((KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"), ["age"]), ("passthrough", ["age", "wet"])),
        logistic(),
    ],
    "numbers as categories": lambda: [chosen(HOT, HOT), logistic()],
    "codes of numbers": lambda: [chosen(CODES, CODES), TREES],
    "a mask and what remains": lambda: [
        chosen(HOT, SimpleImputer()), by_place_then(logistic()),
    ],
    "columns by kind": lambda: [
        by_place((CODES, make_column_selector(dtype_include=["object", "str"])), rest="passthrough"), TREES,
    ],
    "nothing done by a function": lambda: [chosen(CODES, FunctionTransformer()), TREES],
}  # fmt: skip


def by_place_then(estimator: Any) -> Pipeline:
    mask = [True, False, True, False, False, False, False, True, True, False]
    return make_pipeline(by_place((StandardScaler(with_mean=False), mask), rest="passthrough"), estimator)


def fast_of(fitted: Pipeline, contract: Contract, frame: pd.DataFrame, folder: Path) -> Any:
    files = export_fast(fitted, contract, frame)
    assert files == export_fast(fitted, contract, frame)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return open_fast(folder, contract)


@pytest.mark.parametrize("name", FOLLOWED)
@pytest.mark.filterwarnings("ignore:Found unknown categories", "ignore:Bins whose width")
def test_a_pipeline_that_can_be_followed_answers_the_same_without_it(
    contract: Contract, rows: pd.DataFrame, strange: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    features, estimator = FOLLOWED[name]()
    frame = model_frame(rows, contract)
    fitted = Pipeline([("features", features), ("estimator", estimator)])
    fitted.fit(frame, labels_of(rows, contract).astype(int))
    fast = fast_of(fitted, contract, frame, tmp_path)
    asked = model_frame(strange, contract)
    answers = [fast.score_row(row) for row in as_rows(asked)]
    # Trees are the same to the bit; scikit-learn's scalers calculate in float32 where they are given float32 alone.
    tolerance = 0 if estimator is TREES else 1e-6
    np.testing.assert_allclose(answers, predict(fitted, asked, contract), rtol=0, atol=tolerance)
    for row, answer in zip(as_rows(asked)[::50], answers[::50], strict=True):
        told = fast.contributions(row)
        assert list(told.by_feature) == [feature.name for feature in contract.features]
        assert 1 / (1 + np.exp(-told.margin)) == pytest.approx(answer, abs=1e-9)


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_contributions_of_a_linear_model_are_measured_from_the_mean_of_training(
    contract: Contract, rows: pd.DataFrame, tmp_path: Path
) -> None:
    frame = model_frame(rows, contract)
    fitted = Pipeline([("features", chosen(HOT, FILLED)), ("estimator", logistic())])
    fitted.fit(frame, labels_of(rows, contract).astype(int))
    fast = fast_of(fitted, contract, frame, tmp_path)
    told = [fast.contributions(row) for row in as_rows(frame)]
    each = pd.DataFrame([t.by_feature for t in told])
    np.testing.assert_allclose(each.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(told[0].base, fitted.decision_function(frame).mean(), atol=1e-9)
    older = [
        fast.contributions(row | {"age": row["age"] + 1}).by_feature["age"] for row in as_rows(frame.head())
    ]
    scaler, weights = fitted[0].named_transformers_["numbers"][-1], fitted[-1].coef_[0][-4:]
    np.testing.assert_allclose(older - each["age"].head(), weights[0] / scaler.scale_[0], atol=1e-6)


class Derived(StandardScaler):
    """Might do anything."""


REFUSED: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "mixed": (lambda: [chosen(HOT, SimpleImputer()), make_pipeline(PCA(3), logistic())], "the step PCA"),
    "derived": (lambda: [chosen(HOT, make_pipeline(SimpleImputer(), Derived())), logistic()], "the step Derived"),
    "function": (
        lambda: [chosen(HOT, make_pipeline(SimpleImputer(), FunctionTransformer(np.sin))), logistic()], "FunctionTransformer",
    ),
    "rare": (
        lambda: [chosen(OneHotEncoder(handle_unknown="ignore", min_frequency=2200), FILLED), logistic()], "rare categories",
    ),
    "no answer to the unknown": (lambda: [chosen(OneHotEncoder(), FILLED), logistic()], "did not see"),
    "no code of the unknown": (lambda: [chosen(OrdinalEncoder()), TREES], "did not see"),
    "indicators of the missing": (lambda: [chosen(CODES, SimpleImputer(add_indicator=True)), TREES], "indicators"),
    "bins of what was scaled": (
        lambda: [chosen(HOT, make_pipeline(FILLED, KBinsDiscretizer(3, strategy="uniform"))), logistic()], "changed before",
    ),
    "clipped": (lambda: [chosen(HOT, make_pipeline(SimpleImputer(), MinMaxScaler(clip=True))), logistic()], "clips"),
    "other trees": (
        lambda: [chosen(CODES, SimpleImputer()), RandomForestClassifier(3)], "the estimator RandomForestClassifier",
    ),
    "calibrated": (lambda: [chosen(), CalibratedClassifierCV(TREES, cv=2)], "the estimator CalibratedClassifierCV"),
    "another link": (
        lambda: [chosen(), LGBMClassifier(n_estimators=3, sigmoid=0.7, verbose=-1)], "the objective binary sigmoid:0.7",
    ),
    "an objective of its own": (
        lambda: [chosen(), LGBMClassifier(n_estimators=3, objective=lambda y, p: (p - y, np.ones_like(p)), verbose=-1)],
        "the objective",
    ),
    "averaged trees": (
        lambda: [chosen(), LGBMClassifier(boosting_type="rf", subsample=0.5, subsample_freq=1, n_estimators=3, verbose=-1)],
        "a random forest",
    ),
    "weighted": (
        lambda: [ColumnTransformer([("n", SimpleImputer(), NUMBERS)], transformer_weights={"n": 2.0}), logistic()],
        "transformer_weights",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_exactly_is_named(contract: Contract, rows: pd.DataFrame, name: str) -> None:
    make, reason = REFUSED[name]
    features, estimator = make()
    frame = model_frame(rows, contract)
    fitted = Pipeline([("features", features), ("estimator", estimator)])
    fitted.fit(frame, labels_of(rows, contract).astype(int))
    with pytest.raises(NoFastForm, match=reason):
        export_fast(fitted, contract, frame)


def test_the_stage_leaves_no_fast_form_of_an_earlier_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place: Town = town(tmp_path)
    found = lamps()
    place.paths.prepared.mkdir(parents=True)
    found[found["failed"].notna()].to_parquet(place.paths.prepared / "train.parquet")
    modeling.stage(place.pilot, place.paths)
    folder = place.paths.model / "fast"
    assert json.loads((folder / "encoding.json").read_text())["model"]["kind"] in ("trees", "linear")
    file = place.csv.with_name("model.py")
    file.write_text(
        file.read_text().replace("StandardScaler())", "PCA(2))").replace("import Simple", "import Simple", 1)
        + "\nfrom sklearn.decomposition import PCA\n\n\ndef boosted(*, seed, threads, trees):\n"
        "    return linear(seed=seed, threads=threads, C=1.0)\n"
    )
    modeling.stage(place.pilot, place.paths)
    assert not folder.exists()
    assert (
        "no fast path and no exact explanations, ONNX Runtime answers: the step PCA"
        in capsys.readouterr().out
    )
