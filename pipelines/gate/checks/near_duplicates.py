"""Are rows of the evaluation old rows under another key: then they measure what the model remembers.

A copy is rarely exact: numbers are rounded, or moved a little. So rows are twins when all their categories, missing values
included, are the same and all their numbers lie in the same cells of a grid, some hundred cells over the spread of each.
A grid tears apart what lies beside an edge; a second one, moved by half a cell, has its edges elsewhere. Measured on copies
from the oldest quarter of training: with all numbers moved by a millionth all are found, with all moved by a thousandth of their
standard deviation 85 % of departures and 95 % of residents. Honest years of residents are .004 to .021 beyond what repeats
by nature, known to .01 either way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import Floats, Integers, mean_difference

CELLS = 71 * 2**0.5  # about a hundred; irrational, so that round numbers do not lie on the edges
SPREAD = (
    0.01,
    0.99,
)  # quantiles of the training rows between which a number's spread is measured: a few extremes do not count
GRIDS: tuple[Callable[[Floats], Floats], ...] = (np.round, np.floor)
BLOCKS = 20  # of training rows, in order of time; each is compared with the other nineteen: nearly all, as the evaluation is


def near_duplicates(material: Material) -> Check:
    """No evaluation row is a training row under another key.

    A few categories repeat by nature: what is counted is how many more twins the evaluation has among all training rows than
    blocks of the training rows have among the rest of them, at the median, which copies in less than half of the blocks do
    not move.
    """
    limit, known = material.pilot.file.gate.near_duplicates_limit, len(material.train)
    month = material.last_month.rows
    first = int(month.argmax())
    blocks = np.arange(known) * BLOCKS // known
    repeated, twins = np.zeros(known, dtype=bool), np.zeros(len(material.evaluation), dtype=bool)
    again = np.zeros(int(month.sum()), dtype=bool)
    for cells in _cells(material):
        repeated |= _in_another(cells[:known], blocks)
        twins |= np.isin(cells[known:], cells[:known])
        again |= np.isin(cells[month], cells[:first])
    natural = float(np.median(np.bincount(blocks, repeated) / np.bincount(blocks)))
    found = mean_difference(
        twins.astype(np.float64), np.full(len(twins), natural), material.days, material.how
    )
    beyond = max(0.0, float(again.mean()) - natural) if month.any() else 0.0
    return Check(
        id="near-duplicates",
        requirement="Share of evaluation rows that are training rows under another key, beyond what repeats by nature; the "
        "interval's low end stays within the limit",
        value=found.value,
        limit=limit,
        interval=(found.low, found.high),
        passed=found.low <= limit,
        evidence=f"{int(twins.sum()):,} of {len(twins):,} evaluation rows have a twin among the {known:,} training rows (every "
        f"category and missing value the same, every number and an amount in the same hundredth of its spread); of training "
        f"rows, {natural:.1%} have one in another twentieth of them; {material.last_month.would_have_refused_share(beyond)}",
        source="train.parquet, evaluation.parquet; pilot.yaml gate.near_duplicates_limit",
    )


def _cells(material: Material) -> list[Integers]:
    """By each grid a number for each row of ``material.rows``, shared by near-identical ones; shape (n,) each."""
    contract, rows = material.pilot.contract, material.rows
    columns: dict[str, Floats] = {}
    for name in (*(feature.name for feature in contract.features), contract.target):
        if contract.column(name).logicalType in ("number", "integer"):
            values = rows[name].to_numpy("float64", na_value=np.nan)
            columns[name] = values / _width(values[: len(material.train)])
        else:
            columns[name] = pd.factorize(rows[name])[0].astype(np.float64)
    return [_numbered({name: grid(values) for name, values in columns.items()}) for grid in GRIDS]


def _numbered(cells: dict[str, Floats]) -> Integers:
    """A number for each row, shared by equal ones; plus zero, for the hash tells -0.0 from 0.0."""
    hashed = pd.util.hash_pandas_object(pd.DataFrame(cells) + 0.0, index=False)
    return np.asarray(pd.factorize(hashed)[0], dtype=np.int64)


def _width(values: Floats) -> float:
    """Of a cell: of a number that is nearly always the same, by its standard deviation; of one that always is, the unit."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 1.0
    low, high = np.quantile(known, SPREAD)
    return float(high - low or known.std() or 1.0) / CELLS


def _in_another(cells: Integers, blocks: Integers) -> NDArray[np.bool_]:
    """Whether the cell of each row has rows of another block, too; all of shape (n,)."""
    first, last = np.full(int(cells.max()) + 1, BLOCKS), np.full(int(cells.max()) + 1, -1)
    np.minimum.at(first, cells, blocks)
    np.maximum.at(last, cells, blocks)
    spread: NDArray[np.bool_] = (first < last)[cells]
    return spread


CHECKS: list[CheckFunction] = [near_duplicates]
