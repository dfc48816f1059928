"""What Prometheus reads of the rows answered. Kept in plain numbers: every row is counted, and a metric's own locks take longer.

Counted and read on the thread of the event loop alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tremplin.target import Scale

TENTHS = [
    step / 10 for step in range(1, 10)
]  # upper ends, included, of the buckets of scores on the unit interval


class AnswerCounts(Collector):
    """Rows by release and cohort, their scores, and what was strange about them."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, str]] = Counter()
        self._excluded: Counter[tuple[str, str]] = Counter()
        self._out_of_range: Counter[str] = Counter()
        self._scores: dict[
            str, list[int]
        ] = {}  # by release, a number for each bucket and one for what is above
        self._sums: Counter[str] = Counter()

    def score(self, release: str, cohort: str, score: float | None, scale: Scale) -> None:
        """One row that was answered; ``score`` in the target's unit, None where it got none."""
        self._rows[release, cohort] += 1
        if score is not None:
            unit = (score - scale.low) / (scale.high - scale.low)
            buckets = self._scores.get(release) or self._scores.setdefault(release, [0] * (len(TENTHS) + 1))
            buckets[bisect_left(TENTHS, unit)] += 1
            self._sums[release] += unit  # type: ignore[assignment]

    def strange(self, segments: Iterable[tuple[str, str]], features: Iterable[str]) -> None:
        """Release and segment of rows that were not answered; features, once for each value that training never came near."""
        self._excluded.update(segments)
        self._out_of_range.update(features)

    def collect(self) -> Iterator[Metric]:
        """Asked at each scrape."""
        yield _counter("tremplin_predictions", "Rows answered and logged", ("release", "cohort"), self._rows)
        yield _counter(
            "tremplin_excluded", "Rows logged without an answer: the release was not proven on such rows",
            ("release", "segment"), self._excluded,
        )  # fmt: skip
        features = {(feature,): count for feature, count in self._out_of_range.items()}
        yield _counter("tremplin_out_of_range", "Values outside of what training saw", ("feature",), features)
        said = "Scores of the rows answered: probabilities, or amounts as a share of the target's range"
        scores = HistogramMetricFamily("tremplin_score", said, labels=("release",))
        for release, buckets in self._scores.items():
            ends = [*map(str, TENTHS), "+Inf"]
            below = [(end, sum(buckets[: place + 1])) for place, end in enumerate(ends)]
            scores.add_metric((release,), below, self._sums[release])
        yield scores


def _counter(name: str, said: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, said, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
