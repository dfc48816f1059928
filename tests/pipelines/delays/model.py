"""Minutes instead of yes or no: a mean by airport, carrier and hour; a linear and a boosted family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightgbm import LGBMRegressor
from sklearn.base import RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CODES = [0, 1, 2]  # origin, carrier, dest
DEPARTURE_HOUR = [4]
NUMBERS = list(range(3, 19))


def baseline() -> Pipeline:
    """The mean delay by airport, carrier and hour, in its smooth form."""
    known = ColumnTransformer(
        [
            ("codes", OneHotEncoder(handle_unknown="ignore"), CODES[:2]),
            ("hour", StandardScaler(), DEPARTURE_HOUR),
        ]
    )
    return make_pipeline(known, Ridge())


def candidates(
    parameters: Mapping[str, Mapping[str, Any]], *, seed: int, threads: int
) -> dict[str, RegressorMixin]:
    """One for each entry."""
    families = {"linear": linear, "boosted": boosted}
    return {name: families[name](seed=seed, threads=threads, **values) for name, values in parameters.items()}


def linear(*, seed: int, threads: int, alpha: float) -> Pipeline:
    """Ridge regression on one-hot categories and scaled numbers."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), CODES), ("numbers", numbers, NUMBERS)]
    )
    return make_pipeline(columns, Ridge(alpha=alpha))


def boosted(
    *, seed: int, threads: int, trees: int, learning_rate: float, leaves: int, rows_per_leaf: int
) -> LGBMRegressor:
    """Boosted trees."""
    return LGBMRegressor(
        n_estimators=trees, learning_rate=learning_rate, num_leaves=leaves, min_child_samples=rows_per_leaf,
        random_state=seed, n_jobs=threads, deterministic=True, force_row_wise=True, verbose=-1,
    )  # fmt: skip
