"""The fitted pipeline as a fast form (``tremplin.fast_form``), where it has one.

Every step is followed as what it does to one column. What cannot be followed exactly has no fast form, and the release is
answered by ONNX Runtime alone.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from pipelines.fast.columns import Made, NoFastForm, Text, values_of, weighted_sum
from pipelines.fast.steps import through
from tremplin.contract import Contract
from tremplin.fast_form import BOOSTER, ENCODING, Codes, Curve, FastForm, Linear, Trees
from tremplin.target import Task

# Of LightGBM, those whose margin is the answer's own unit, or its logit.
OBJECTIVES = {
    Task.CLASSIFICATION: ("binary sigmoid:1",),
    Task.REGRESSION: ("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
}


def export_fast(pipeline: Any, contract: Contract, frame: pd.DataFrame) -> dict[str, bytes]:
    """The files of ``fast/`` by name, for a fitted ``Pipeline``; the same pipeline gives the same bytes.

    Args:
        frame: the rows of training as the model sees them (``tremplin.frame``): of a linear model's terms the means are kept.

    Raises:
        NoFastForm: a step is none that can be followed; the reason is named.
    """
    columns: list[Made] = [
        Curve(feature=feature.name) if feature.numeric else Text(feature.name)
        for feature in contract.features
    ]
    estimator, names = pipeline, [feature.name for feature in contract.features]
    while isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            columns, names = through(step, columns, names), []
        estimator = estimator.steps[-1][1]
    made: list[Codes | Curve] = []
    for column in columns:
        if isinstance(column, Text):
            raise NoFastForm(f"{column.feature} is text when it comes to the estimator")
        made.append(column)
    trees, lines = _known()
    if type(estimator) in trees:
        return _trees(estimator, made, contract)
    if type(estimator) in lines:
        return _linear(estimator, made, frame)
    raise NoFastForm(f"the estimator {type(estimator).__name__}")


def _trees(estimator: Any, columns: list[Codes | Curve], contract: Contract) -> dict[str, bytes]:
    text: str = estimator.booster_.model_to_string()
    objective = text.partition("\nobjective=")[2].partition("\n")[0]
    said = objective if contract.task is Task.CLASSIFICATION else objective.partition(" ")[0]
    if said not in OBJECTIVES[contract.task] or "sqrt" in objective:
        raise NoFastForm(f"the objective {objective or 'that is a function'} of {type(estimator).__name__}")
    if "\naverage_output\n" in text:
        raise NoFastForm("a random forest of LightGBM, whose contributions it does not average")
    return {BOOSTER: text.encode(), ENCODING: _bytes(FastForm(model=Trees(columns=columns)))}


def _linear(estimator: Any, columns: list[Codes | Curve], frame: pd.DataFrame) -> dict[str, bytes]:
    weights = np.ravel(estimator.coef_).tolist()
    if len(weights) != len(columns):
        raise NoFastForm(
            f"{len(weights)} coefficients of {type(estimator).__name__} for {len(columns)} columns"
        )
    terms = []
    for name in dict.fromkeys(column.feature for column in columns):
        its = [(w, c) for w, c in zip(weights, columns, strict=True) if c.feature == name]
        terms.append(weighted_sum(its))
    background = {term.feature: float(np.mean(values_of(term, frame[term.feature]))) for term in terms}
    intercept = float(np.ravel(estimator.intercept_)[0])
    return {
        ENCODING: _bytes(FastForm(model=Linear(intercept=intercept, columns=terms, background=background)))
    }


def _known() -> tuple[tuple[type, ...], tuple[type, ...]]:
    """Trees and linear models, by exact type: what is derived from one of them may answer otherwise."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn import linear_model as linear

    return (LGBMClassifier, LGBMRegressor), (
        linear.LogisticRegression, linear.LogisticRegressionCV, linear.LinearRegression, linear.Ridge, linear.RidgeCV,
        linear.Lasso, linear.LassoCV, linear.ElasticNet, linear.ElasticNetCV, linear.BayesianRidge, linear.HuberRegressor,
    )  # fmt: skip


def _bytes(form: FastForm) -> bytes:
    content = form.model_dump(mode="json")
    return (
        json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()
