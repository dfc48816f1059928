"""Is every column filled as agreed, at every site in every week: what is always empty is told from what fell silent.

A delivery that is beyond the contract's share as a whole is refused when it arrives (``pipelines.ingestion``): it is not what was
agreed, and replaces nothing. A hole at one site in one week vanishes in the whole; nobody can fill it later, so it is a
person's to judge beside the model that learned from it, and stands here. Too few missing values are as telling as too many:
an exporter that writes 0 for what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.gate.limits import without_limit
from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.column import Column
from tremplin.comparison import Integers, days_of

FEWEST = 100  # rows of a site in a week: a share of a hundred is known to ten points at the worst
WEEK = 7  # days: shorter, and a calm night at the site or a storm decides
SHOWN = 5  # holes that are named, the largest first


@dataclass(frozen=True)
class _Hole:
    """A column that is not as full as agreed, at a site in a week."""

    said: str
    share: float  # of its values that are missing there
    rows: NDArray[np.intp]


def completeness(material: Material) -> Check:
    """No column has fallen silent, or been filled in, at a site for days."""
    contract, rows = material.pilot.contract, material.rows
    agreed = [column for column in contract.optional_columns if column.completeness]
    days = days_of(rows[contract.time], material.pilot.file.data.timezone)
    sites = rows[contract.site].astype(str) if contract.site else pd.Series("", index=rows.index)
    weeks = pd.DataFrame({"site": sites, "week": days // WEEK}).groupby(["site", "week"]).ngroup()
    members = np.split(np.argsort(weeks.to_numpy(), kind="stable"), np.cumsum(np.bincount(weeks))[:-1])
    cells = [(str(sites.iloc[found[0]]), found) for found in members if len(found) >= FEWEST]
    holes = sorted(
        (hole for column in agreed for hole in _holes(material, column, cells, days)),
        key=lambda hole: (-len(hole.rows) * hole.share, hole.said),
    )
    refused = np.zeros(len(rows), dtype=bool)
    for hole in holes:
        refused[hole.rows] = True
    said = [hole.said for hole in holes[:SHOWN]]
    said += [f"and {len(holes) - SHOWN} more"] if len(holes) > SHOWN else []
    said = said or [f"{len(agreed)} columns that may be empty, in {len(cells)} weeks of a site"]
    unlimited = [column.name for column in contract.optional_columns if not column.completeness]
    said += [without_limit(", ".join(unlimited), material.pilot)] if unlimited else []
    return Check(
        id="completeness",
        requirement="Share of rows in a week of a site in which a column is emptier, or fuller, than the contract says",
        value=float(refused.mean()),
        limit=0,
        passed=not holes and not (unlimited and material.pilot.high_risk),
        evidence="; ".join([*said, material.last_month.would_have_refused(refused)]),
        source="train.parquet, evaluation.parquet; contract.yaml quality nullValues",
    )


def _holes(
    material: Material, column: Column, cells: list[tuple[str, NDArray[np.intp]]], days: Integers
) -> Iterator[_Hole]:
    missing = material.rows[column.name].isna().to_numpy(dtype=bool)
    agreed = column.completeness
    for site, found in cells:
        share = float(missing[found].mean())
        if agreed is None or agreed.keeps(share):
            continue
        counts = np.bincount(days[found] - days[found].min(), minlength=1)
        gone = np.bincount(days[found] - days[found].min(), weights=missing[found])
        silent = int(((counts > 0) & (gone == counts)).sum())
        when = material.rows[material.pilot.contract.time].iloc[found]
        zone = material.pilot.file.data.timezone
        first, last = (moment.tz_convert(zone) for moment in (when.min(), when.max()))
        where = f" at {site}" if site else ""
        told = f"; no value at all on {silent} of these days" if silent else ""
        yield _Hole(
            f"{column.name}{where} is missing in {share:.1%} of the rows from {first:%Y-%m-%d} to {last:%Y-%m-%d} "
            f"(agreed: {agreed}{told})",
            share,
            found,
        )


CHECKS: list[CheckFunction] = [completeness]
