"""``pilot.yaml``: the charter, and every number that changes a model or a decision.

"Loss" is the mean squared error on the unit interval: the Brier score of probabilities, a share of the squared range of
amounts. "AUC" is the share of pairs of rows with different outcomes that are ranked right, a tie counted half: the area under
the ROC curve of yes or no, the concordance of amounts (Harrell et al. 1982, "Evaluating the yield of medical tests", JAMA 247).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, ValidationInfo, field_validator

from tremplin.charter import AnyCharter, FairnessMeasure, Text
from tremplin.service import Service
from tremplin.strict import Strict

Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(gt=0, le=36_500)]
Count = Annotated[int, Field(gt=0)]
Scalar = bool | int | float | str


class Data(Strict):
    """What is taken from the source."""

    window_days: Days  # how much history before ``as_of`` a model is trained and evaluated on
    evaluation_days: Days  # the last part of it, kept for the final evaluation
    freshness_days: Days  # how old the newest labelled row may be at ``as_of``
    minimum_rows: Count  # labelled rows below which no model is made
    timezone: Text  # days and months of reports are cut in it
    decision_lead_minutes: Annotated[
        float, Field(ge=0, le=5_256_000)
    ]  # the question is asked this long before the event's time, with what is known then; at most ten years
    uncut_because: Text | None = None  # why source.py cannot say what was known at a moment; None: it can

    @field_validator("evaluation_days")
    @classmethod
    def _leaves_enough(cls, days: int, info: ValidationInfo) -> int:
        if days * 2 > info.data.get("window_days", days * 2):
            raise ValueError("evaluation_days takes more than half of window_days")
        return days

    @field_validator("timezone")
    @classmethod
    def _known(cls, timezone: str) -> str:
        if timezone not in available_timezones():
            raise ValueError(f"timezone {timezone!r} is not one of the IANA database, such as Europe/Paris")
        return timezone


class Model(Strict):
    """Everything that changes the model."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    threads: Count
    folds: Annotated[int, Field(ge=2, le=10)]
    candidates: Annotated[dict[str, dict[str, Scalar]], Field(min_length=1)]


class Coverage(Strict):
    """Which groups of rows get no answer. The contract's site is a segment without being named."""

    segments: list[Annotated[list[str], Field(min_length=1)]]  # columns of a request, one or more a segment
    minimum_rows: Count  # of the evaluation, in a group
    baseline_margin: Share  # loss above the baseline's that is tolerated in a group
    excluded_limit: Share  # of the evaluation rows: above it the model is for too few


Limits = Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]


class Fairness(Strict):
    """Limits of the gaps between a group and everyone else."""

    minimum_rows: (
        Count  # of the evaluation: rows of a group, its positives for their rate, its negatives for theirs
    )
    limits: Annotated[
        dict[FairnessMeasure, Limits], Field(min_length=1)
    ]  # by measure, then by protected column


class Poisoning(Strict):
    """From when on labels or rows of the training are taken for tampered with."""

    minimum_rows: Count  # of training, in a group within a week
    site_noise: Share  # of a site's labels, beyond what the other sites show
    week_noise: Share  # of a group's labels within a week
    repeated_rows: Annotated[int, Field(ge=2)]  # near-identical, all with one label


class Gate(Strict):
    """Limits of the checks between a model and its release."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    bootstrap_samples: Annotated[int, Field(ge=200)]
    baseline_margin: (
        Share  # skill (1 - loss / baseline's loss) over the baseline that the interval must clear
    )
    champion_margin: Share  # loss against the champion that is still non-inferior
    feature_auc_limit: Annotated[
        float, Field(gt=0.5, le=1)
    ]  # one feature alone: above it, too good to be true
    result_auc_limit: Annotated[float, Field(gt=0.5, le=1)]  # the model: above it, too good to be true
    site_auc_drop: Share  # below the AUC over all rows, for a site
    site_minimum_rows: Count
    calibration_limit: Share  # expected calibration error, on the unit interval
    parity_limit: Annotated[float, Field(gt=0)]  # largest |ONNX - trained pipeline| on the unit interval
    near_duplicates_limit: Share  # of evaluation rows, beyond what repeats by nature
    learning_curve_limit: Share  # loss that twice the data would take away
    missing_values_limit: Share  # loss that a fault may add; the four of them
    unit_errors_limit: Share
    noise_limit: Share
    previous_period_limit: Share  # advantage in loss over the baseline that may be lost
    membership_limit: Annotated[float, Field(gt=0.5, le=1)]  # AUC of telling training rows from others
    smallest_group: Count  # training rows behind a leaf or category, where data is personal
    size_limit_mb: Annotated[float, Field(gt=0)]  # of model.onnx
    latency_limit_ms: Annotated[float, Field(gt=0)]  # of one row
    memory_limit_mb: Annotated[float, Field(gt=0)]  # of a process with ONNX Runtime and the model
    poisoning: Poisoning
    coverage: Coverage
    fairness: Fairness | None = None  # None where no column is `protected`
    approval_days: Days  # how long a person's go holds before it must be given again


class Rollout(Strict):
    """How a challenger goes out."""

    waves: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]  # cumulative shares
    wave_days: Days
    minimum_outcomes: Count  # labelled answers of the challenger before a wave is judged
    margin: Annotated[float, Field(ge=0)]  # loss against the champion on the same rows that is tolerated

    @field_validator("waves")
    @classmethod
    def _to_everybody(cls, waves: list[float]) -> list[float]:
        if sorted(set(waves)) != waves or waves[-1] != 1:
            raise ValueError("waves must grow and end at 1")
        return waves


class Monitoring(Strict):
    """What a window of predictions is measured by."""

    window: Literal["month"]
    minimum_rows: Count  # labelled rows below which performance is not judged
    minimum_site_rows: Count
    label_days: Days  # after the end of a window, by when its labels have arrived
    drift_sample: Annotated[int, Field(ge=1000, le=100_000)]
    drift_threshold: Annotated[float, Field(gt=0)]  # PSI of a number, Jensen-Shannon distance of a category
    drift_share: Share  # of drifted columns: above it, the window drifts
    auc_drop: Share  # AUC below the evaluation's: worse
    calibration_ratio: tuple[float, float]  # observed / expected positives: outside of it, worse

    @field_validator("calibration_ratio")
    @classmethod
    def _around_one(cls, ratio: tuple[float, float]) -> tuple[float, float]:
        low, high = ratio
        if not 0 < low < 1 < high:
            raise ValueError(f"calibration_ratio [{low:g}, {high:g}] must hold 1 between its ends")
        return ratio


class Retraining(Strict):
    """When evidence leads to retraining."""

    worse_windows: Count  # N
    of_last: Count  # ... of the last M
    cooldown_days: Days
    budget_per_year: Count

    @field_validator("of_last")
    @classmethod
    def _can_be_reached(cls, of_last: int, info: ValidationInfo) -> int:
        if info.data.get("worse_windows", 0) > of_last:
            raise ValueError("worse_windows is more than of_last")
        return of_last


class Demo(Strict):
    """The stretch of history that ``tremplin demo`` plays."""

    first_training: date
    until: date  # no month that begins later is played

    @field_validator("until")
    @classmethod
    def _later(cls, until: date, info: ValidationInfo) -> date:
        if until <= info.data.get("first_training", date.min):
            raise ValueError("`until` must come after `first_training`")
        return until


class PilotFile(Strict):
    """``pilot.yaml``: if changing a value changes the model or a decision, it is here."""

    charter: AnyCharter
    data: Data
    model: Model
    gate: Gate
    rollout: Rollout
    monitoring: Monitoring
    retraining: Retraining
    demo: Demo
    service: Service = Field(default_factory=Service)
