"""Two category codes, then four numbers."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder


def transformer() -> ColumnTransformer:
    """Categories as codes, then the numbers as they are."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = ["age", "voltage", "flickers", "wet"]
    return ColumnTransformer([("codes", codes, ["quarter", "kind"]), ("numbers", "passthrough", numbers)])
