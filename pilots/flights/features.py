"""The unfitted transformer: what can be computed from one row. It is fitted with the model and ships inside it."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["origin", "carrier", "dest"]
NUMBERS = [
    "distance", "departure_hour", "weekday", "seats", "plane_age",
    "temp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib",
    "recent_delay", "recent_late_share", "overdue", "carrier_recent_delay",
]  # fmt: skip


def transformer() -> ColumnTransformer:
    """Categories as codes (-1 where training never saw the value), then the numbers as they are."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("codes", codes, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
