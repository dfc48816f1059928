"""Real shifts, to be put into healthy windows: what a later season, a unit error or a rarer negative does to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from monitoring.playing import History, PastModel
from tremplin.comparison import Floats
from tremplin.pilot import Pilot

FACTOR = 10.0  # a decimal place, the plainest unit error
KEPT = 0.5  # of the negatives: the odds of a positive double

Score = Callable[[pd.DataFrame], Floats]


def answered(rows: pd.DataFrame, scores: Floats, pilot: Pilot) -> pd.DataFrame:
    """Labelled rows with what a model said of them."""
    known = rows[pilot.contract.target].notna().to_numpy()
    return rows[known].assign(
        score=scores[known],
        decision=pilot.charter.decisions(scores[known]),
        label=rows.loc[known, pilot.contract.target].astype("float64"),
    )


def seasons(history: History, model: PastModel) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each whole month after the model was made, as it was."""
    for window in history.windows:
        if window.start >= model.as_of:
            at = history.between(window.start, window.end)
            yield f"rows of {window.name}", answered(history.rows.iloc[at], model.scores[at], history.pilot)


def unit_errors(rows: pd.DataFrame, score: Score, pilot: Pilot) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each number of the contract in turn, ten times too large."""
    for feature in pilot.contract.features:
        if feature.numeric:
            wrong = rows.assign(**{feature.name: rows[feature.name].astype("float64") * FACTOR})
            yield f"{feature.name} times {FACTOR:g}", answered(rows, score(wrong), pilot)


def label_shift(rows: pd.DataFrame, score: Score, pilot: Pilot) -> tuple[str, pd.DataFrame]:
    """Half of the negatives left out: the same rows, with positives more frequent than the model ever saw."""
    negative = (rows[pilot.contract.target] == 0).fillna(value=False).to_numpy(dtype=bool)
    drawn = np.random.default_rng(pilot.file.model.seed).random(len(rows))
    kept = rows[~negative | (drawn < KEPT)]
    return "half of the negatives left out", answered(kept, score(kept), pilot)
