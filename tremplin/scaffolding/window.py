"""What a run as of the end of the file would train on, and what it would be judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from tremplin.scaffolding.source_file import Layout

USUAL = 730  # days: two of each season; longer only where it holds too few rows
ENOUGH_ROWS, ENOUGH_YES, ENOUGH_DAYS = 1000, 100, 14  # what an evaluation should hold
EVALUATED = 4  # an evaluation takes at most one part of the window in so many
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Two stretches of labelled rows, cut as the stage `preparation` cuts them."""

    as_of: pd.Timestamp  # the midnight (UTC) by which every answer of the file is known
    days: int
    evaluation_days: int
    train: pd.DataFrame
    evaluation: pd.DataFrame

    @property
    def labelled(self) -> int:
        """Rows of both."""
        return len(self.train) + len(self.evaluation)


def window(rows: pd.DataFrame, names: Layout) -> Window:
    """From the rows, in order of time, as the source gives them."""
    labelled = rows[rows[names.target].notna()]
    as_of = labelled[names.label_time].max().normalize() + DAY
    days = _days(rows[names.time], labelled[names.time], as_of)
    inside = labelled[labelled[names.time].between(as_of - days * DAY, as_of, inclusive="left")]
    end = rows.loc[rows[names.time] < as_of, names.time].max().normalize() + DAY
    evaluation_days = _evaluation_days(inside, names, end, days)
    cut = end - evaluation_days * DAY
    before = inside[names.time] < cut
    known = inside[names.label_time] <= cut
    return Window(as_of, days, evaluation_days, inside[before & known], inside[~before])


def _days(times: pd.Series, labelled: pd.Series, as_of: pd.Timestamp) -> int:
    """All of the file, or the last two years of it; more where they hold too few rows."""
    whole = max(math.ceil((as_of - times.min()) / DAY), 2)
    wanted = min(len(labelled), EVALUATED * ENOUGH_ROWS)
    needed = math.ceil((as_of - pd.Timestamp(labelled.iloc[-wanted])) / DAY)
    return int(min(whole, max(USUAL, needed)))


def _evaluation_days(inside: pd.DataFrame, names: Layout, end: pd.Timestamp, days: int) -> int:
    """The fewest last days that hold enough rows, and of either answer where the question is yes or no."""
    most = max(days // EVALUATED, 1)
    age = (end - inside[names.time]).dt.total_seconds() / 86_400
    answers = inside[names.target]
    if not pd.api.types.is_bool_dtype(answers):
        return next(
            (tried for tried in range(min(ENOUGH_DAYS, most), most) if (age <= tried).sum() >= ENOUGH_ROWS),
            most,
        )
    yes = answers.astype(bool)
    for tried in range(min(ENOUGH_DAYS, most), most):
        held = age <= tried
        count, positives = int(held.sum()), int(yes[held].sum())
        if count >= ENOUGH_ROWS and min(positives, count - positives) >= ENOUGH_YES:
            return tried
    return most
