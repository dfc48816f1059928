"""``features.py`` and ``model.py``: written once by `tremplin new`, then a person's."""

from __future__ import annotations

from tremplin.scaffolding.spelling import filled

CLASSIFIERS = {
    "boosted_class": "LGBMClassifier",
    "mixin": "ClassifierMixin",
    "tree_class": "DecisionTreeClassifier",
    "linear_class": "LogisticRegression",
    "linear": "LogisticRegression(C=C, max_iter=500, random_state=seed)",
    "linear_words": "Logistic regression",
    "penalty": "C",
}
REGRESSORS = {
    "boosted_class": "LGBMRegressor",
    "mixin": "RegressorMixin",
    "tree_class": "DecisionTreeRegressor",
    "linear_class": "Ridge",
    "linear": "Ridge(alpha=alpha, random_state=seed)",
    "linear_words": "Ridge regression",
    "penalty": "alpha",
}


def features() -> str:
    """The text of ``features.py``."""
    return filled("features.py")


def model(*, amount: bool) -> str:
    """The text of ``model.py``: classifiers, or regressors of an amount."""
    return filled("model.py", **(REGRESSORS if amount else CLASSIFIERS))
