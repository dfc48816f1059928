"""What the contract asks of a column, in words for callers."""

from __future__ import annotations

from tremplin.column import Column

WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "timestamp": "a time of the years 1700 to 2199 with its zone, as 2013-07-01T10:15:00Z",
}


def expected(column: Column) -> str:
    """What the contract asks of a column, in words."""
    if column.categories is not None:
        words = f"one of {', '.join(column.categories)}"
    else:
        low, high = column.logicalTypeOptions.minimum, column.logicalTypeOptions.maximum
        words = WORDS[column.logicalType] + _between(low, high, "from")
        words += f" ({column.unit})" if column.unit else ""
        lengths = _between(*column.lengths, "of") if column.logicalType == "string" else ""
        words += f"{lengths} characters" if lengths else ""
        if column.logicalTypeOptions.pattern:
            words += f" that fits {column.logicalTypeOptions.pattern}"
    return f"{words}, or null" if column.nullable else words


def _between(low: float | None, high: float | None, word: str) -> str:
    """Bounds in words; "" where there are none."""
    if low is not None and high is not None:
        return f" of {low:g}" if low == high else f" {word} {low:g} to {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""
