"""How empty a column may be: what was seen in a week of a site, with room for what was not."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

FEWEST = 100  # rows of a site in a week from which a share can be told; the gate looks at as many
WEEK = pd.Timedelta(days=7)
MORE, POINTS = 1.5, 5  # the most that may be missing: so many times what was seen, and so many percent
LESS = 0.5  # the least, of what was seen: fewer are missing where something fills them in


def agreed(column: pd.Series, time: pd.Series, site: pd.Series | None) -> list[dict[str, Any]] | None:
    """The contract's ``quality`` of a column; None where nothing is missing, or everything in some week.

    Args:
        column: shape (n,); ``time`` and ``site``, where the pilot has one, are of the same rows.
    """
    missing = column.isna()
    if not missing.any():
        return None
    week = (time - time.min()) // WEEK
    cells = missing.groupby([week, site.astype(str)] if site is not None else [week])
    shares = 100 * cells.mean()[cells.size() >= FEWEST]
    whole = 100 * float(missing.mean())
    least, most = (min(shares.min(), whole), max(shares.max(), whole)) if len(shares) else (whole, whole)
    if most >= 100:
        return None
    limit, floor = min(math.ceil(MORE * most + POINTS), 100), math.floor(10 * LESS * least) / 10
    bounds = {"mustBeBetween": [floor, limit]} if floor > 0 else {"mustBeLessThan": limit}
    where = "a week of a site" if site is not None else "a week"
    said = f"changeme: why is it missing? Seen: {least:.3g} % to {most:.3g} % in {where}"
    return [{"metric": "nullValues", **bounds, "unit": "percent", "description": said}]
