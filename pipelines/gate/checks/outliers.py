"""Values within the contract's ranges that are not credible: beside the days around them, beside the other sites, or in that
they stand still.

One wrong value among thousands harms no model and cannot be told from a rare one. What does harm lasts: another unit, zeros for
what is not known, an instrument that stands still, at one site for days. So the mean of a site's day is looked at, on normal
scores (each value by its rank, so that no tail decides), as a Hampel identifier does (Hampel 1974, "The influence curve and its
role in robust estimation", JASA 69; Pearson 2002, "Outliers in process modeling and identification"): its distance to the median
of a fortnight, in robust standard deviations, alone and as a difference to the other sites' median. Two days in a row must be
beyond, on the same side.

Measured on 2013 and on the residents of 2015 to 2018: of honest data two days in a row reach 4.7; Fahrenheit read as Celsius
for a week at one airport 8 to 20, by season. An isolation forest (Liu, Ting and Zhou 2008) over the rows, trained on the
earlier part, saw none of it: it flags a thousandth of the rows, spoiled or not. What cannot be seen here: a unit that is near
the right one (kilometres per hour for miles), and single rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from pipelines.gate.limits import without_limit
from pipelines.gate.material import CheckFunction, Material, evenly
from pipelines.verdict import Check
from tremplin.column import Column
from tremplin.comparison import Floats
from tremplin.quality_rules import Outliers

AROUND = 15  # days whose median a day is compared with: a fault of a week is not its majority
BEYOND = 6.0  # robust standard deviations
LEAST = 0.15  # of a normal score, as one robust standard deviation: a model does not feel less
FEWEST = 10  # values of a site in a day
MOST = 60_000  # rows that are looked at, evenly: some sixty of each site's day in a year
MOSTLY = (
    0.5  # share of rows with one value, or of days with one, above which a column says nothing of its day
)
SHOWN = 3  # columns, and examples


@dataclass(frozen=True)
class _Stretch:
    """Days of a site in which a column is not credible."""

    column: str
    site: str
    first: pd.Timestamp
    last: pd.Timestamp
    why: str
    worst: float  # robust standard deviations; infinite where the value stands still


def outliers(material: Material) -> Check:
    """No column is beyond belief for days."""
    contract, rows = material.pilot.contract, material.rows
    limit = contract.rule(Outliers)
    local = rows[contract.time].dt.tz_convert(material.pilot.file.data.timezone).dt.tz_localize(None)
    places = pd.DataFrame(
        {"site": rows[contract.site].astype(str) if contract.site else "", "day": local.dt.floor("D")},
        index=rows.index,
    )
    found = sorted(_stretches(rows, places, contract.features), key=lambda stretch: -stretch.worst)
    refused = np.zeros(len(rows), dtype=bool)
    for stretch in found:
        refused |= _inside(places, stretch)
    share, columns = float(refused.mean()), dict.fromkeys(stretch.column for stretch in found)
    keys = rows[contract.key]
    said = [_said(stretch, keys[_inside(places, stretch)], material) for stretch in found[:SHOWN]]
    said += (
        [f"and {len(found) - SHOWN} more stretches, in {', '.join(columns)}"] if len(found) > SHOWN else []
    )
    said = said or [
        f"{places.drop_duplicates().shape[0]:,} days of a site, no two in a row beyond {BEYOND:g} robust standard deviations"
    ]
    said += [] if limit else [without_limit("outliers", material.pilot)]
    return Check(
        id="outliers",
        requirement="Share of rows of days in which a column is not credible at its site",
        value=share,
        limit=limit.mustBeLessThan / 100 if limit else None,
        passed=share < limit.mustBeLessThan / 100 if limit else not material.pilot.high_risk,
        evidence="; ".join([*said, material.last_month.would_have_refused(refused)]),
        source="train.parquet, evaluation.parquet; contract.yaml quality outliers",
    )


def _stretches(rows: pd.DataFrame, places: pd.DataFrame, features: list[Column]) -> list[_Stretch]:
    """Of every number that has a day to speak of."""
    looked = evenly(len(rows), MOST)
    where = [places["site"].iloc[looked].to_numpy(), places["day"].iloc[looked].to_numpy()]
    found: list[_Stretch] = []
    for feature in features:
        if feature.logicalType not in ("number", "integer"):
            continue
        values = rows[feature.name].iloc[looked].to_numpy("float64", na_value=np.nan)
        scores = _normal_scores(values)
        if scores is None:
            continue
        days = pd.DataFrame({"score": scores, "value": values}).groupby(where)
        enough = days["score"].count() >= FEWEST
        standing = days["value"].min().where(enough & (days["value"].min() == days["value"].max()))
        if standing.notna().mean() > MOSTLY:  # such as the month: one of the calendar's
            continue
        found += _runs(feature.name, _unchanged(standing.unstack(0)), "the same value all day")
        level = days["score"].mean().where(enough).unstack(0)
        found += _runs(feature.name, _deviation(level), "beside the days around")
        if level.shape[1] > 2:  # of two sites nobody can say which is wrong
            others = pd.DataFrame({site: level.drop(columns=site).median(axis=1) for site in level})
            found += _runs(feature.name, _deviation(level - others), "beside the other sites")
    return found


def _normal_scores(values: Floats) -> Floats | None:
    """Each value as the normal quantile of its mid-rank; None where one value is that of most rows, or there are too few."""
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    low, high = (np.searchsorted(ordered, values[known], side) for side in ("left", "right"))
    if len(ordered) < AROUND * FEWEST or (high - low).max() > MOSTLY * len(ordered):
        return None
    scores: Floats = np.full(len(values), np.nan)
    scores[known] = norm.ppf((low + high) / 2 / len(ordered))
    return scores


def _unchanged(standing: pd.DataFrame) -> pd.DataFrame:
    """Infinite on days whose only value is that of the day before or after, zero elsewhere."""
    same = (standing == standing.shift()) | (standing == standing.shift(-1))
    return pd.DataFrame(np.where(same, np.inf, 0.0), standing.index, standing.columns)


def _deviation(level: pd.DataFrame) -> pd.DataFrame:
    """Robust standard deviations of each day from the median of the days around; near both ends, of the last full fortnight."""
    middle = level.rolling(AROUND, center=True, min_periods=AROUND // 2 + 1).median()
    half = AROUND // 2
    middle.iloc[:half], middle.iloc[len(middle) - half :] = np.nan, np.nan
    away = level - middle.bfill().ffill()
    known = np.abs(away.to_numpy()[~np.isnan(away.to_numpy())])
    spread = (
        1.4826 * float(np.median(known)) if len(known) else 0.0
    )  # of a normal distribution, its standard deviation
    return away / max(spread, LEAST)


def _runs(column: str, deviation: pd.DataFrame, why: str) -> list[_Stretch]:
    """Two days or more in a row, beyond and on the same side."""
    found = []
    for site in deviation:
        values = deviation[site].to_numpy("float64")
        side = np.where(np.abs(values) > BEYOND, np.sign(values), 0)
        edges = np.flatnonzero(np.diff(side, prepend=0, append=0))
        for begin, end in pairwise(edges.tolist()):
            if side[begin] and end - begin >= 2:
                worst = float(np.abs(values[begin:end]).max())
                found.append(
                    _Stretch(column, str(site), deviation.index[begin], deviation.index[end - 1], why, worst)
                )
    return found


def _inside(places: pd.DataFrame, stretch: _Stretch) -> NDArray[np.bool_]:
    inside = (places["site"] == stretch.site) & places["day"].between(stretch.first, stretch.last)
    return inside.to_numpy(dtype=bool)


def _said(stretch: _Stretch, keys: pd.Series, material: Material) -> str:
    """Column, place, days, how far, and three keys where they name nobody; never a value of a row."""
    where = f" at {stretch.site}" if stretch.site else ""
    far = "" if np.isinf(stretch.worst) else f", up to {stretch.worst:.1f} robust standard deviations"
    named = ", ".join(keys.iloc[evenly(len(keys), SHOWN)].astype(str))
    # The verdict goes to the journal, which nothing is erased from: who is concerned stays in the tables.
    personal = material.pilot.charter.gdpr.personal_data
    examples = (
        f"{len(keys):,} rows of train.parquet and evaluation.parquet" if personal else f"such as {named}"
    )
    days = f"from {stretch.first:%Y-%m-%d} to {stretch.last:%Y-%m-%d}"
    return f"{stretch.column}{where} {days}, {stretch.why}{far} ({examples})"


CHECKS: list[CheckFunction] = [outliers]
