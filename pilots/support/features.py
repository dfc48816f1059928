"""The unfitted transformer: what can be computed from one row. It is fitted with the model and ships inside it."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["household_part"]
NUMBERS = ["age", "education", "household_size", "small_children", "partner_age"]


def transformer() -> ColumnTransformer:
    """The part in the household as a code (-1 where training never saw it), then the numbers as they are."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("codes", codes, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
