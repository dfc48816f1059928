"""The list: every bad model and every honest one that the gates of both pilots meet, and which check must block it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from tests.gates import honest, leaks, spoilers
from tests.results import Result

PILOTS = ("flights", "support")


@dataclass(frozen=True)
class Variant:
    """One model, made from the honest result of a pilot."""

    name: str
    make: Callable[[Result], Result]  # changes the copy that it is given, and returns what is to be judged
    own: str | None = None  # the check that must block it; None: it is honest
    pilots: tuple[str, ...] = PILOTS
    meets_champion: bool = False  # the honest model is live, and this one must not be worse
    quick: bool = False  # short enough for `make test`

    @property
    def made(self) -> str:
        """How, in a phrase."""
        return (inspect.getdoc(self.make) or "").partition("\n\n")[0].replace("\n", " ").rstrip(".")


BAD = [
    Variant("learned nothing", spoilers.wrong_labels, "baseline"),
    Variant("worse", spoilers.few_trees, "champion", meets_champion=True),
    Variant("biased against a site", spoilers.inverted_site, "sites", pilots=("flights",)),
    Variant("biased against a group", spoilers.unrecorded_women, "fairness", pilots=("support",)),
    Variant("leaky: recorded after", leaks.recorded_after, "feature-too-good"),
    Variant("leaky: missing unless true", leaks.missing_unless_true, "feature-too-good"),
    Variant("leaky: mean over the table", leaks.group_mean, "feature-too-good"),
    Variant("leaky: two columns", leaks.two_columns, "result-too-good"),
    Variant("leaky: not yet known", leaks.not_yet_known, "availability"),
    Variant("stale", spoilers.stale, "freshness", quick=True),
    Variant("miscalibrated", spoilers.lost_positives, "calibration"),
    Variant("mis-exported", spoilers.other_export, "parity", quick=True),
    Variant("overfitted", spoilers.overfitted, "learning-curve"),
    Variant("memorising", spoilers.by_heart, "membership"),
    Variant("under-covered", spoilers.two_groups_only, "coverage", quick=True),
    Variant("poisoned", spoilers.flipped_stretch, "poisoning"),
]

HONEST = [
    Variant("honest", honest.as_it_is, quick=True),
    Variant("other seed", honest.other_seed),
    Variant("other window", honest.other_window),
    Variant("fewer trees", honest.fewer_trees),
    Variant("linear", honest.linear),
    Variant("more features", honest.more_features),
    Variant("later month", honest.a_month_later),
]

VARIANTS = BAD + HONEST
