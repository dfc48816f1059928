"""A table by quarter; a linear and a boosted family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightgbm import LGBMClassifier
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def baseline() -> Pipeline:
    """The rate of the quarter."""
    return make_pipeline(
        ColumnTransformer([("quarter", OneHotEncoder(handle_unknown="ignore"), [0])]), LogisticRegression()
    )


def candidates(
    parameters: Mapping[str, Mapping[str, Any]], *, seed: int, threads: int
) -> dict[str, ClassifierMixin]:
    """One for each entry."""
    families = {"linear": linear, "boosted": boosted}
    return {name: families[name](seed=seed, threads=threads, **values) for name, values in parameters.items()}


def linear(*, seed: int, threads: int, C: float) -> Pipeline:
    """Logistic regression."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), [0, 1]), ("numbers", numbers, [2, 3, 4, 5])]
    )
    return make_pipeline(columns, LogisticRegression(C=C, random_state=seed))


def boosted(*, seed: int, threads: int, trees: int) -> LGBMClassifier:
    """Boosted trees that draw rows, so that the seed matters."""
    return LGBMClassifier(
        n_estimators=trees, num_leaves=7, subsample=0.8, subsample_freq=1, random_state=seed, n_jobs=threads,
        deterministic=True, force_row_wise=True, verbose=-1,
    )  # fmt: skip
