"""Is the model worse in a window than at its evaluation, and could that be chance?

Three questions are asked of a window: does the model rank less well, do fewer events happen than it expects, do more. An answer
counts where the difference matters (the value is beyond the policy's limit) and is not chance.

The evaluation is a sample as the window is, so both have their noise: one-sided bounds of two samples add up as squares (MOVER:
Zou and Donner 2008, "Construction of confidence limits about effect measures", Statistics in Medicine 27), of ratios on the
scale of their logarithms. Calibration must be off surely, and surely other than at the evaluation: a model that was approved
with .84 events for one expected did not get worse by staying there.

Two levels. One window is *worse* at the pilot's confidence: one time in twenty by chance, for each question. A model is looked at
every month, so what leads to retraining is asked for more: the error of all questions in all windows of a year together is
what one window was allowed (Bonferroni 1936: whatever depends on what). Bounds that far out are the normal continuation of
those that were measured; `tremplin backtest` counts how often it errs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf, log
from statistics import NormalDist

from monitoring.evidence import Measure, WindowEvidence
from tremplin.pilot import Monitoring
from tremplin.target import Task

# How ranking is called, and what is counted against what was expected: amounts as shares of their range.
SAID = {
    Task.CLASSIFICATION: ("ROC AUC", "events for one expected"),
    Task.REGRESSION: ("Concordance", "observed for one expected"),
}
QUESTIONS = 3
WINDOWS_A_YEAR = 12


@dataclass(frozen=True)
class Worsening:
    """One way in which a model got worse."""

    sentence: str
    errors: float  # how far from chance, in standard errors of the difference


def errors_of_a_year(confidence: float) -> float:
    """Standard errors that chance passes, in any question of any window of a year, with the error 1 - ``confidence`` at most."""
    return NormalDist().inv_cdf(1 - (1 - confidence) / (QUESTIONS * WINDOWS_A_YEAR))


def worse(evidence: WindowEvidence, policy: Monitoring) -> list[Worsening]:
    """In which ways the model was worse than at its evaluation; none where it was not, or not measurably."""
    found = evidence.performance
    if found.measures is None:
        return []
    one_look = NormalDist().inv_cdf(found.confidence)
    task = found.measures.task
    ranks, counted = SAID[task]
    auc, promised = found.measures.ranking, found.evaluation[task.ranking]
    ratio, approved = found.measures.calibration_ratio, found.evaluation["observed_expected"]
    low, high = policy.calibration_ratio
    every = []
    if (fall := promised.value - auc.value) > policy.auc_drop:
        said = f"{ranks} {auc.value:.3f}, {fall:.3f} under the {promised.value:.3f} of the evaluation"
        every.append((said, policy.auc_drop, _below(auc, promised)))
    said = f"{ratio.value:.2f} {counted} ({approved.value:.2f} at the evaluation)"
    logs, before = _logarithm(ratio), _logarithm(approved)
    if ratio.value < low:
        every.append((said, low, min(_below(logs, ONE), _below(logs, before))))
    if ratio.value > high:
        every.append(
            (said, high, min(_below(_negative(logs), ONE), _below(_negative(logs), _negative(before))))
        )
    return [
        Worsening(
            f"{said}, {one_look * bounds:.1f} standard errors; the limit is {limit:g}.", one_look * bounds
        )
        for said, limit, bounds in every
        if bounds >= 1
    ]


ONE = Measure(value=0.0, low=0.0, high=0.0)  # the logarithm of one event for one expected, which is known


def _below(measured: Measure, promised: Measure) -> float:
    """How far ``measured`` is below ``promised``, in one-sided bounds of the difference: 1 is just sure."""
    bound = hypot(promised.value - promised.low, measured.high - measured.value)
    return (promised.value - measured.value) / bound if bound else inf


def _logarithm(measure: Measure) -> Measure:
    values = (measure.value, measure.low, measure.high)
    value, low, high = (log(each) if each > 0 else -inf for each in values)
    return Measure(value=value, low=low, high=high)


def _negative(measure: Measure) -> Measure:
    return Measure(value=-measure.value, low=-measure.high, high=-measure.low)
