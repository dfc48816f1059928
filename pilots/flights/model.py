"""The estimators, unfitted. They take the transformer's output: three category codes, then sixteen numbers."""

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

CODES = [0, 1, 2]  # origin, carrier, dest
DEPARTURE_HOUR = [4]
NUMBERS = list(range(3, 19))


def baseline() -> Pipeline:
    """What a desk has today: a table of past delays by airport, carrier and hour (here its smooth form)."""
    known = ColumnTransformer(
        [
            ("codes", OneHotEncoder(handle_unknown="ignore"), CODES[:2]),
            ("hour", StandardScaler(), DEPARTURE_HOUR),
        ]
    )
    return make_pipeline(known, LogisticRegression())


def candidates(
    parameters: Mapping[str, Mapping[str, Any]], *, seed: int, threads: int
) -> dict[str, ClassifierMixin]:
    """One estimator for each entry of ``model.candidates`` in ``pilot.yaml``; a linear and a boosted family."""
    families = {"linear": linear, "boosted": boosted}
    return {name: families[name](seed=seed, threads=threads, **values) for name, values in parameters.items()}


def linear(*, seed: int, threads: int, C: float) -> Pipeline:
    """Logistic regression on one-hot categories and scaled numbers."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), CODES), ("numbers", numbers, NUMBERS)]
    )
    return make_pipeline(columns, LogisticRegression(C=C, max_iter=500, random_state=seed))


def boosted(
    *, seed: int, threads: int, trees: int, learning_rate: float, leaves: int, rows_per_leaf: int
) -> LGBMClassifier:
    """Gradient-boosted trees; missing numbers go their own way at each split."""
    return LGBMClassifier(
        n_estimators=trees,
        learning_rate=learning_rate,
        num_leaves=leaves,
        min_child_samples=rows_per_leaf,
        random_state=seed,
        n_jobs=threads,
        deterministic=True,
        force_row_wise=True,  # with a fixed number of threads: the same sums, the same bytes
        verbose=-1,
    )
