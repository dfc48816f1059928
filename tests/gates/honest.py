"""Models that somebody may honestly submit: a gate that blocks them is as wrong as one that lets a bad one through."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tests.gates.spoilers import boosted
from tests.results import Result, make_result

MORE_FEATURES = '''

_plain = transformer


def transformer() -> ColumnTransformer:
    """With squares and the product of two numbers."""
    from sklearn.preprocessing import PolynomialFeatures

    made = _plain()
    made.transformers.append(("products", PolynomialFeatures(2), {names}))
    return made
'''


def as_it_is(result: Result) -> Result:
    """As the stages made it."""
    return result


def other_seed(result: Result) -> Result:
    """Seed 7, for the model and for the samples of the gate."""
    result.edit(model={"seed": 7})
    result.retrain()
    return result


def other_window(result: Result) -> Result:
    """Without the oldest quarter of the training rows."""
    rows = result.part("train")
    result.retrain(rows[len(rows) // 4 :])
    return result


def fewer_trees(result: Result) -> Result:
    """Three fifths of the trees."""
    known = boosted(result)
    result.recast(boosted=known | {"trees": round(known["trees"] * 0.6)})
    return result


def linear(result: Result) -> Result:
    """Logistic regression, as the pilot defines it."""
    result.recast(linear={"C": 0.1})
    return result


def more_features(result: Result) -> Result:
    """Squares and the product of two numbers, computed within the model."""
    numbers = [f.name for f in result.pilot.contract.features if f.numeric and not f.nullable][:2]
    result.append("features.py", MORE_FEATURES.format(names=numbers))
    result.retrain()
    return result


def a_month_later(result: Result) -> Result:
    """The same recipe on what was known a month later.

    Window and evaluation are the pilot's own: fourteen days of a small sample prove nothing in a calm month.
    """
    later = pd.Timestamp(result.sample.as_of) + pd.DateOffset(months=1)
    edits = {section: values for section, values in result.sample.edits.items() if section != "data"}
    sample = replace(result.sample, as_of=later.to_pydatetime(), edits=edits)
    return make_result(result.root / "later", sample)
