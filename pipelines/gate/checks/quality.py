"""Is it good enough: better than the baseline, not worse than what answers today, and with enough data to be so.

Of many candidates the winner was chosen by cross-validation within the training rows; the evaluation rows were not looked at,
so judging the winner on them needs no correction. What does need one is a second model on the same evaluation days, and a
third: somebody who tries until one passes. The k-th model on the same days gets the k²-th part of the error that the
confidence allows (Bonferroni 1936 in unequal parts: nobody knows how many will come, so Holm's order of all is not to be
had); together they err less than 1.65 times it.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.comparison import Bootstrap, Floats, days_of, mean_difference, skill

PART = 4  # the learning curve begins at every fourth training day: two doublings before the whole


def baseline(material: Material) -> Check:
    """The baseline is beaten by more than chance and by enough to pay for a model."""
    limit = material.pilot.file.gate.baseline_margin
    loss = (material.baseline - material.labels) ** 2
    found = skill(material.loss, loss, material.days, corrected(material))
    return Check(
        id="baseline",
        requirement=f"{material.task.loss_name} skill over the baseline; the interval's low end clears the margin",
        value=found.value,
        limit=limit,
        interval=(found.low, found.high),
        passed=found.low >= limit,
        evidence=f"{material.task.loss_name} {material.loss.mean():.4g}, baseline {loss.mean():.4g}; {material.sampled}"
        f"{_looks(material)}",
        source="model.onnx and baseline.pkl on evaluation.parquet; pilot.yaml gate.baseline_margin",
    )


def champion(material: Material) -> Check:
    """The challenger is not worse than what answers today (non-inferiority on the same rows)."""
    limit = material.pilot.file.gate.champion_margin
    found, passed = None, material.champion is None
    if material.champion is None:
        evidence = "there is no champion yet: nothing to compare with"
    elif material.champion_scores is None:
        evidence = f"no comparison on the same rows: {material.champion_fault}"
    else:
        loss = (material.champion_scores - material.labels) ** 2
        found = mean_difference(material.loss, loss, material.days, corrected(material))
        passed = found.high <= limit
        evidence = (
            f"{material.task.loss_name} {material.loss.mean():.4g}, champion {material.champion} {loss.mean():.4g}; "
            f"{material.sampled}{_looks(material)}"
        )
    return Check(
        id="champion",
        requirement=f"{material.task.loss_name} loss against the champion; the interval's high end stays within the margin",
        value=found.value if found else None,
        limit=limit,
        interval=(found.low, found.high) if found else None,
        passed=passed,
        evidence=evidence,
        source="model.onnx and the champion's on evaluation.parquet; pilot.yaml gate.champion_margin",
    )


def learning_curve(material: Material) -> Check:
    """There is enough data: twice as much would not make much of a difference.

    The model's own recipe is fitted on every fourth training day, evenly over the seasons, and meets the same evaluation rows.
    What each of the two doublings from there to all days brought, on average, is more than the next one will bring: learning
    curves follow a power law that flattens (Hestness et al. 2017, "Deep learning scaling is predictable, empirically"; Viering
    and Loog 2023, "The shape of learning curves"). A model that still learns fast from more of the same is overfitted, or has
    too few rows. It is blocked where even the interval's low end is beyond the limit.
    """
    limit = material.pilot.file.gate.learning_curve_limit
    days = days_of(material.train[material.pilot.contract.time], material.pilot.file.data.timezone)
    part = days % PART == 0
    fewer = (material.said_by(material.fitted_on(part), material.frame) - material.labels) ** 2
    doublings = np.log2(PART)
    found = mean_difference(fewer / doublings, material.loss / doublings, material.days, material.how)
    return Check(
        id="learning-curve",
        requirement=f"{material.task.loss_name} loss that twice the data would still take away, at most",
        value=found.value,
        limit=limit,
        interval=(found.low, found.high),
        passed=found.low <= limit,
        evidence=f"{material.task.loss_name} {fewer.mean():.4g} from {int(part.sum()):,} rows of {len(np.unique(days[part]))} "
        f"days, {material.loss.mean():.4g} from all {len(days):,} of {int(days.max()) + 1}; {material.sampled}",
        source="pipeline.pkl fitted again on train.parquet, on evaluation.parquet; pilot.yaml gate.learning_curve_limit",
    )


class FarTails(Bootstrap):
    """A bootstrap whose confidence may lie beyond its samples: the percentiles, or the normal interval where that is wider.

    No percentile lies beyond the outermost sample, of a thousand some 3.2 standard errors out: the seventh look asks for 3.28,
    the hundredth for 4.56. The normal interval (Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 12) has
    the samples' standard deviation for its standard error, and is about their mean.
    """

    def interval(self, drawn: Floats) -> tuple[float, float]:
        """The wider one, at each end; (-inf, inf) where the statistic exists in too few samples."""
        low, high = super().interval(drawn)
        drawn = drawn[np.isfinite(drawn)]
        if not len(drawn):
            return low, high
        reach = NormalDist().inv_cdf((1 + self.confidence) / 2) * float(drawn.std(ddof=1))
        return min(low, float(drawn.mean()) - reach), max(high, float(drawn.mean()) + reach)


def corrected(material: Material) -> Bootstrap:
    """The bootstrap with what is left of the allowed error for this look at the evaluation days."""
    how = material.how
    if material.look == 1:
        return how
    return FarTails(how.samples, 1 - (1 - how.confidence) / material.look**2, how.seed)


def _looks(material: Material) -> str:
    if material.look == 1:
        return ""
    return (
        f"; model number {material.look} on these days, so at {corrected(material).confidence:.2%} confidence"
    )


CHECKS: list[CheckFunction] = [baseline, champion, learning_curve]
