"""Was the training data tampered with: labels changed in a place or in a stretch of time, or one row injected many times.

Three families of tests share the error rate, each corrected by Holm (1979). On departures of 2013: 5 % of any site's labels
changed at random were found in a year of rows (9 draws of 9), in six months at one site of three only (8 %: 8 of 9). All or
half of the labels of a stretch, 5 % of the site's, were found in six months. What cannot be seen: less than that at random;
labels changed one way only in proportion to their probability, which look like another base rate; what all rows share, which
has nothing to be compared with; and all labels of a site the wrong way round for months, which a model learns where other
columns give the site away: `sites`, `coverage` and `calibration` name that one.

Of amounts much more has to be changed before it shows: what is put in place of another is seen by how little it follows the
rest, and an honest site may follow it less than the others. Of delays in minutes (a third of half a year, a tenth tolerated) a
site was found in 6 draws of 6 where 40 % of its amounts were exchanged, in 4 of 6 at 30 %, in none at 20 %.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import norm

from pipelines.gate.last_month import LastMonth
from pipelines.gate.material import CheckFunction, Material
from pipelines.gate.noise import CERTAIN, Audited, audited, holm, label_noise
from pipelines.verdict import Check
from tremplin.comparison import Floats, Integers
from tremplin.contract import Column
from tremplin.groups import grouping
from tremplin.pilot_file import Poisoning
from tremplin.target import Task

FAMILIES = 3  # of tests: sites, weeks, repeated rows
BLOCK = 7  # days: every weekday once
NEARLY = 0.05  # share of the other label that a repeated row may have: the true row, of which the others are copies
UNSURE = 0.1  # expected share of other labels below which one label alone is no wonder
ALIKE = 10  # parts of equal count that amounts are cut into by what is expected of them


class _Finding(NamedTuple):
    """Training rows whose labels nothing explains."""

    said: str
    rows: NDArray[np.bool_]  # shape (rows of training,)


def poisoning(material: Material) -> Check:
    """No site, no group within a week and no repeated row has labels that the rest of the data cannot explain."""
    settings, contract = material.pilot.file.gate.poisoning, material.pilot.contract
    site = [contract.column(contract.site)] if contract.site else []
    segments = [
        [contract.column(name) for name in names] for names in material.pilot.file.gate.coverage.segments
    ]
    cuts = [cut for cut in (site, *segments) if cut]
    rows = audited(material, {column.name for cut in cuts for column in cut})
    alpha = (1 - material.how.confidence) / FAMILIES
    found = [
        *(_sites(rows, site, settings.site_noise, alpha) if site else []),
        *_weeks(rows, cuts, settings, contract.time, alpha),
        *_injected(rows, settings.repeated_rows, alpha),
    ]
    limits = (
        f"{settings.site_noise:.0%} of a site's labels changed, {settings.week_noise:.0%} of a group's in a week, "
        f"{settings.repeated_rows} near-identical rows with one label"
    )
    month = LastMonth.of(rows.train[contract.time], material.pilot.file.data.timezone)
    refused = np.zeros(len(rows.train), dtype=bool)
    for finding in found:
        refused |= finding.rows
    return Check(
        id="poisoning",
        requirement="Sites, weeks and repeated rows whose labels the rest of the training rows cannot explain",
        value=len(found),
        limit=0,
        passed=not found,
        evidence="; ".join(
            [
                *(finding.said for finding in found),
                f"{len(rows.labels):,} rows, each scored by a model that saw nothing of its day; tolerated: {limits}",
                month.would_have_refused(refused),
            ]
        ),
        source="train.parquet; pilot.yaml gate.poisoning, gate.coverage.segments",
    )


def _sites(rows: Audited, site: list[Column], limit: float, alpha: float) -> list[_Finding]:
    """Sites with more changed labels than all others, over the whole window."""
    cut = grouping(rows.train, site)
    if len(cut.names) < 2:  # there is nothing to compare with
        return []
    noise = label_noise(rows, cut.codes)
    sums, variances = noise.share * noise.information, (noise.error * noise.information) ** 2
    others = noise.information.sum() - noise.information
    excess = noise.share - (sums.sum() - sums) / others
    error = np.sqrt(noise.error**2 + (variances.sum() - variances) / others**2)
    beyond = holm(norm.sf((excess - limit) / np.maximum(error, 1e-9)), alpha)
    return [
        _Finding(
            f"{site[0].name}={cut.names[at][0]}: {excess[at]:.1%} of the labels changed, beyond what the other sites show",
            cut.codes == at,
        )
        for at in np.flatnonzero(beyond)
    ]


def _weeks(
    rows: Audited, cuts: list[list[Column]], settings: Poisoning, time: str, alpha: float
) -> list[_Finding]:
    """Groups whose labels were changed within one week, against all weeks' own spread (empirical null: Efron 2004, JASA 99)."""
    week = rows.days // BLOCK
    weeks = int(week.max()) + 1
    named: list[tuple[str, Integers, int]] = []  # in words, and the rows: where the codes are the number
    shares, deviations = [np.empty(0)], [np.empty(0)]
    for columns in cuts:
        cut = grouping(rows.train, columns)
        blocks, codes = np.unique(cut.codes * weeks + week, return_inverse=True)
        noise = label_noise(rows, codes)
        large = np.flatnonzero(np.bincount(codes) >= settings.minimum_rows)
        if not len(large):
            continue
        z = noise.share[large] * np.sqrt(noise.information[large])
        centre = np.median(z)
        shares.append(noise.share[large])
        # 1.4826 makes the median deviation of a normal variable its standard deviation.
        deviations.append((z - centre) / max(1.0, 1.4826 * float(np.median(np.abs(z - centre)))))
        begins = rows.train[time].groupby(codes).min()
        for at in large.tolist():
            group = zip(columns, cut.names[blocks[at] // weeks], strict=True)
            said = ", ".join(f"{column.name}={value}" for column, value in group)
            named.append((f"{said} in the week from {begins.loc[at]:%Y-%m-%d}", codes, at))
    share = np.concatenate(shares)
    beyond = holm(norm.sf(np.concatenate(deviations)), alpha) & (share > settings.week_noise)
    return [
        _Finding(f"{said}: {changed:.0%} of the labels changed", codes == own)
        for (said, codes, own), changed in ((named[at], share[at]) for at in np.flatnonzero(beyond))
    ]


def _injected(rows: Audited, minimum: int, alpha: float) -> list[_Finding]:
    """Near-identical rows that nearly all have one label, against the probability of it (Hoeffding 1963's bound, JASA 58)."""
    counts = np.bincount(rows.cells)
    share, expected, tried = _most_common(rows, counts)
    large = np.flatnonzero((counts >= minimum) & (share >= 1 - NEARLY) & (expected <= 1 - UNSURE))
    divergence = rel_entr(share, expected) + rel_entr(1 - share, 1 - expected)
    chance = np.minimum(tried * np.exp(-counts * divergence), 1)
    return [
        _Finding(
            f"{counts[cell]:,} near-identical rows, {share[cell]:.0%} with one label, where {expected[cell]:.0%} should have it",
            rows.cells == cell,
        )
        for cell in large[holm(chance[large], alpha)]
    ]


def _most_common(rows: Audited, counts: Integers) -> tuple[Floats, Floats, int]:
    """Of the most common label of each cell the share, the share to be expected, and how many labels it was chosen among."""
    if rows.task is Task.CLASSIFICATION:
        share = np.bincount(rows.cells, rows.labels) / counts
        expected = np.clip(np.bincount(rows.cells, rows.scores) / counts, CERTAIN, 1 - CERTAIN)
        mostly = share > 0.5
        return np.where(mostly, share, 1 - share), np.where(mostly, expected, 1 - expected), 1
    # Rows of which about the same is expected: how many of them have that very amount?
    alike = pd.qcut(rows.scores, ALIKE, labels=False, duplicates="drop")
    table = pd.DataFrame({"cell": rows.cells, "label": rows.labels, "alike": alike})
    common = table.groupby(["cell", "label"]).size().sort_values(kind="stable").reset_index(name="rows")
    common = common.drop_duplicates("cell", keep="last").set_index("cell").sort_index()
    place = table.groupby("cell")["alike"].median().round()
    asked = pd.MultiIndex.from_arrays([place.to_numpy(), common["label"].to_numpy()])
    of_all = table.groupby("alike")["label"].value_counts(normalize=True).reindex(asked).to_numpy("float64")
    expected = np.clip(np.nan_to_num(of_all, nan=0.0), 1 / len(table), 1 - CERTAIN)
    return common["rows"].to_numpy("float64") / counts, expected, table["label"].nunique()


CHECKS: list[CheckFunction] = [poisoning]
