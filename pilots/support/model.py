"""The estimators, unfitted. They take the transformer's output: one category code, then five numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightgbm import LGBMClassifier
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

PART, AGE, EDUCATION = [0], [1], [2]
HOUSEHOLD = [3, 4]  # its size, small children in it
PARTNER_AGE = [5]  # missing where there is none


def baseline() -> Pipeline:
    """What an employment service has today: the rate by age group and diploma (here its smooth form)."""
    table = ColumnTransformer([("age", age_groups(), AGE), ("education", _one_hot(), EDUCATION)])
    return make_pipeline(table, LogisticRegression(max_iter=500))


def candidates(
    parameters: Mapping[str, Mapping[str, Any]], *, seed: int, threads: int
) -> dict[str, ClassifierMixin]:
    """One estimator for each entry of ``model.candidates`` in ``pilot.yaml``; a linear and a boosted family."""
    families = {"linear": linear, "boosted": boosted}
    return {name: families[name](seed=seed, threads=threads, **values) for name, values in parameters.items()}


def linear(*, seed: int, threads: int, C: float) -> Pipeline:
    """Logistic regression on groups of age and of education, one-hot categories and scaled numbers."""
    # Whether somebody has a partner is told by the part in the household; where there is none, the mean age says nothing.
    partner = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("part", _one_hot(), PART),
            ("age", age_groups(), AGE),
            ("education", education_groups(), EDUCATION),
            ("household", StandardScaler(), HOUSEHOLD),
            ("partner", partner, PARTNER_AGE),
        ]
    )
    return make_pipeline(columns, LogisticRegression(C=C, max_iter=500, random_state=seed))


def boosted(
    *, seed: int, threads: int, trees: int, learning_rate: float, leaves: int, rows_per_leaf: int
) -> LGBMClassifier:
    """Gradient-boosted trees; a missing age goes its own way at each split."""
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


def age_groups() -> KBinsDiscretizer:
    """Ten groups of equal count: work begins late and ends early, which no straight line says."""
    return KBinsDiscretizer(n_bins=10, encode="onehot-dense", quantile_method="averaged_inverted_cdf")


def education_groups() -> KBinsDiscretizer:
    """Four groups of equal count: a column for each level would tell of the dozen people who have a rare one."""
    return KBinsDiscretizer(n_bins=4, encode="onehot-dense", quantile_method="averaged_inverted_cdf")


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")
