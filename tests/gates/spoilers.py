"""Ways in which a model goes wrong, each on the real result of a pilot: written once, for whichever pilot it is.

A spoiler changes the copy that it is given, trains again what it has to, and returns what the gate is to judge.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.gates.columns import add_column
from tests.results import Result

LOST = 0.5  # share of the positives that never reached the training table
POISONED = 0.05  # share of one group's labels
NOT_RECORDED = 0.6  # share of one group's positives that were written down as negatives


def wrong_labels(result: Result) -> Result:
    """The labels were joined by the wrong key: each training row has that of another."""
    rows, target = result.part("train"), result.pilot.contract.target
    shuffled = rows[target].sample(frac=1, random_state=0).to_numpy()
    result.retrain(rows.assign(**{target: shuffled}))
    return result


def few_trees(result: Result) -> Result:
    """An eighth of the trees, while the honest model is live."""
    known = boosted(result)
    result.recast(boosted=known | {"trees": known["trees"] // 8})
    return result


def inverted_site(result: Result) -> Result:
    """One airport's training labels the wrong way round."""
    rows, site = result.part("train"), result.pilot.contract.site
    assert site is not None
    result.retrain(flipped(result, rows, rows[site] == max(rows[site].unique())))
    return result


def unrecorded_women(result: Result) -> Result:
    """Three of five women without work recorded as at work, and a column that tells who is a woman."""
    add_column(result, "form_of_address", "rows['sex'].eq('female').astype('float64')")
    result.prepare()
    rows, target = result.part("train"), result.pilot.contract.target
    hidden = rows["form_of_address"].eq(1) & rows[target].astype(bool) & drawn(rows, NOT_RECORDED)
    result.retrain(rows.assign(**{target: rows[target].mask(hidden, False)}))
    return result


def stale(result: Result) -> Result:
    """Judged so late that its newest outcome is a day too old."""
    days = result.pilot.file.data.freshness_days + 1
    return replace(result, sample=result.sample.at(result.sample.as_of + timedelta(days=days)))


def lost_positives(result: Result) -> Result:
    """Half of the positives lost on the way to the training table."""
    rows = result.part("train")
    positive = rows[result.pilot.contract.target].astype(bool)
    result.retrain(rows[~(positive & drawn(rows, LOST))])
    return result


def other_export(result: Result) -> Result:
    """The exported model is of another training run than the trained one."""
    trained = result.paths.model / "pipeline.pkl"
    kept = trained.read_bytes()
    known = boosted(result)
    result.recast(boosted=known | {"trees": known["trees"] + 10})
    trained.write_bytes(kept)
    return result


def overfitted(result: Result) -> Result:
    """100 trees with a leaf for every hundred training rows, down to five rows each."""
    result.recast(boosted=deep(result, trees=100, rows=100) | {"rows_per_leaf": 5})
    return result


def by_heart(result: Result) -> Result:
    """60 trees with a leaf for every forty training rows, down to single rows, in long steps."""
    result.recast(boosted=deep(result, trees=60, rows=40) | {"rows_per_leaf": 1, "learning_rate": 0.2})
    return result


def two_groups_only(result: Result) -> Result:
    """Of every group but the two largest, one evaluation row too few to be judged."""
    segment = result.pilot.file.gate.coverage
    rows = result.part("evaluation")
    group = rows[segment.segments[0][0]]
    largest = group.value_counts().index[:2]
    place = rows.groupby(group).cumcount()
    result.replace(
        "evaluation", rows[group.isin(largest) | (place < segment.minimum_rows - 1)].reset_index(drop=True)
    )
    return result


def flipped_stretch(result: Result) -> Result:
    """5 % of the largest group's training labels flipped, all in one stretch."""
    rows, pilot = result.part("train"), result.pilot
    group = rows[pilot.contract.site or pilot.file.gate.coverage.segments[0][0]]
    own = np.flatnonzero(group == group.value_counts().index[0])
    changed = np.zeros(len(rows), dtype=bool)
    changed[own[len(own) // 2 :][: round(len(own) * POISONED)]] = True
    result.retrain(flipped(result, rows, pd.Series(changed)))
    return result


def boosted(result: Result) -> dict[str, Any]:
    """Parameters of the boosted candidate."""
    return dict(result.pilot.file.model.candidates["boosted"])


def deep(result: Result, *, trees: int, rows: int) -> dict[str, Any]:
    """The boosted candidate with so many trees, of a leaf for every so many training rows."""
    leaves = len(result.part("train")) // rows
    return boosted(result) | {"trees": trees, "learning_rate": 0.1, "leaves": leaves}


def flipped(result: Result, rows: pd.DataFrame, where: pd.Series) -> pd.DataFrame:
    """The rows with the opposite label there."""
    target = result.pilot.contract.target
    labels = rows[target].astype(bool)
    return rows.assign(**{target: (labels ^ where.to_numpy()).astype("boolean")})


def drawn(rows: pd.DataFrame, share: float) -> NDArray[np.bool_]:
    """That share of the rows, at random."""
    return np.random.default_rng(0).random(len(rows)) < share
