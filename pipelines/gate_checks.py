"""The gate's checks, one function each. A measurement that does not exist (NaN) never passes: comparisons with it are false."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipelines.verdict import Check
from tremplin.batch_checks import check_rows
from tremplin.comparison import (
    Bootstrap,
    Estimate,
    Floats,
    Integers,
    auc,
    auc_difference,
    calibration_error,
    mean_difference,
    skill,
)
from tremplin.contract import Column
from tremplin.pilot import Pilot

BINS = 50  # of a number, when asking how well one feature alone tells the target


@dataclass(frozen=True)
class Material:
    """What the checks look at. Every array has one entry a row of ``evaluation``."""

    pilot: Pilot
    as_of: datetime
    train: pd.DataFrame
    evaluation: pd.DataFrame
    labels: Floats  # 0 or 1
    days: Integers  # local day
    scores: Floats  # of model.onnx
    trained: Floats  # of pipeline.pkl
    baseline: Floats  # of baseline.pkl
    champion: str | None
    champion_scores: Floats | None
    champion_fault: str | None  # why the champion could not be scored
    how: Bootstrap

    @property
    def brier(self) -> Floats:
        """The model's loss on each row."""
        losses: Floats = (self.scores - self.labels) ** 2
        return losses


def contract(material: Material) -> Check:
    """Every row that trained or evaluated the model obeys the contract."""
    counts, said = 0, []
    for part, rows in (("train", material.train), ("evaluation", material.evaluation)):
        for breach in check_rows(rows, material.pilot.contract).breaches:
            counts += breach.count
            said.append(f"{part}: {breach}")
    return Check(
        id="contract",
        requirement="Every row obeys the data contract",
        value=counts,
        limit=0,
        passed=not said,
        evidence="; ".join(said)
        or f"{len(material.train):,} training and {len(material.evaluation):,} evaluation rows checked",
        source="train.parquet, evaluation.parquet; contract.yaml",
    )


def freshness(material: Material) -> Check:
    """The newest labelled event is recent at ``as_of``."""
    limit = material.pilot.file.data.freshness_days
    newest = max(part[material.pilot.contract.time].max() for part in (material.train, material.evaluation))
    age = (pd.Timestamp(material.as_of) - newest) / pd.Timedelta(days=1)
    return Check(
        id="freshness",
        requirement="The newest labelled row is recent, in days",
        value=age,
        limit=limit,
        passed=bool(0 <= age <= limit),
        evidence=f"newest labelled row {newest:%Y-%m-%d}, judged as of {material.as_of:%Y-%m-%d}",
        source="train.parquet, evaluation.parquet; pilot.yaml data.freshness_days",
    )


def time_overlap(material: Material) -> Check:
    """Nothing of the evaluation, and nothing known only later, was there to train on."""
    names, train, evaluation = material.pilot.contract, material.train, material.evaluation
    begins = evaluation[names.time].min()
    found = {
        "training rows not before the first evaluation row": int((train[names.time] >= begins).sum()),
        "keys in both parts": int(train[names.key].isin(evaluation[names.key]).sum()),
        "training labels known only after the first evaluation row": int(
            (~(train[names.label_time] <= begins)).sum()
        ),
        "labels known only after the model was judged": int(
            (~(evaluation[names.label_time] <= material.as_of)).sum()
        ),
    }
    said = [f"{count:,} {what}" for what, count in found.items() if count]
    return Check(
        id="time-overlap",
        requirement="Training ends, labels included, before evaluation begins",
        value=sum(found.values()),
        limit=0,
        passed=not said,
        evidence="; ".join(said)
        or f"training ends {train[names.time].max():%Y-%m-%d %H:%M}, evaluation begins {begins:%Y-%m-%d %H:%M}",
        source="train.parquet, evaluation.parquet",
    )


def feature_too_good(material: Material) -> Check:
    """No feature alone tells the target so well that it must have been written after it."""
    limit = material.pilot.file.gate.feature_auc_limit
    found = {feature.name: _single_auc(material, feature) for feature in material.pilot.contract.features}
    ranking = sorted(found, key=lambda name: found[name], reverse=True)
    above = [name for name in ranking if found[name] > limit]
    said = ", ".join(f"{name} {found[name]:.3f}" for name in (above or ranking[:3]))
    return Check(
        id="feature-too-good",
        requirement="No feature alone predicts the target too well to be true (AUC)",
        value=found[ranking[0]],
        limit=limit,
        passed=not above,
        evidence=f"{'too good: ' if above else 'best: '}{said}",
        source="train.parquet, evaluation.parquet; pilot.yaml gate.feature_auc_limit",
    )


def result_too_good(material: Material) -> Check:
    """The model is not better than the question can be answered."""
    limit, value = material.pilot.file.gate.result_auc_limit, auc(material.labels, material.scores)
    return Check(
        id="result-too-good",
        requirement="The model's result is credible (AUC)",
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=f"AUC {value:.3f} on {len(material.labels):,} evaluation rows",
        source="model.onnx on evaluation.parquet; pilot.yaml gate.result_auc_limit",
    )


def baseline(material: Material) -> Check:
    """The baseline is beaten by more than chance and by enough to pay for a model."""
    limit = material.pilot.file.gate.baseline_margin
    loss = (material.baseline - material.labels) ** 2
    found = skill(material.brier, loss, material.days, material.how)
    return Check(
        id="baseline",
        requirement="Brier skill over the baseline; the interval's low end clears the margin",
        value=found.value,
        limit=limit,
        interval=(found.low, found.high),
        passed=found.low >= limit,
        evidence=f"Brier {material.brier.mean():.4f}, baseline {loss.mean():.4f}; {_sampled(material)}",
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
        found = mean_difference(material.brier, loss, material.days, material.how)
        passed = found.high <= limit
        evidence = f"Brier {material.brier.mean():.4f}, champion {material.champion} {loss.mean():.4f}; {_sampled(material)}"
    return Check(
        id="champion",
        requirement="Brier loss against the champion; the interval's high end stays within the margin",
        value=found.value if found else None,
        limit=limit,
        interval=(found.low, found.high) if found else None,
        passed=passed,
        evidence=evidence,
        source="model.onnx and the champion's on evaluation.parquet; pilot.yaml gate.champion_margin",
    )


def sites(material: Material) -> Check:
    """No site is served much worse than all together, beyond what noise explains."""
    gate, name = material.pilot.file.gate, material.pilot.contract.site
    found, small = {}, []
    if name is not None:
        values = material.evaluation[name].astype(str).to_numpy()
        for site in sorted(set(values)):
            rows = values == site
            if rows.sum() < gate.site_minimum_rows:
                small.append(f"{site} ({int(rows.sum()):,} rows)")
            else:
                found[site] = auc_difference(
                    rows, material.labels, material.scores, material.days, material.how
                )
    worst = min(found, key=lambda site: found[site].high, default=None)
    estimate: Estimate | None = found[worst] if worst is not None else None
    below = [site for site in found if not found[site].high >= -gate.site_auc_drop]
    said = (
        ", ".join(f"{site} {found[site].value:+.3f}" for site in found)
        or "no site is large enough to be judged"
    )
    if name is None:
        said = "the contract names no site"
    return Check(
        id="sites",
        requirement="AUC of every site, against all rows; the interval's high end is not below the allowed drop",
        value=estimate.value if estimate else None,
        limit=-gate.site_auc_drop,
        interval=(estimate.low, estimate.high) if estimate else None,
        passed=not below,
        evidence=(f"too low: {', '.join(below)}; " if below else "")
        + said
        + (f"; too small to judge: {', '.join(small)}" if small else ""),
        source="model.onnx on evaluation.parquet; pilot.yaml gate.site_auc_drop, gate.site_minimum_rows",
    )


def calibration(material: Material) -> Check:
    """A score of 30 % means 30 %: the threshold of the charter is a probability."""
    limit, value = (
        material.pilot.file.gate.calibration_limit,
        calibration_error(material.labels, material.scores),
    )
    return Check(
        id="calibration",
        requirement="Expected calibration error over ten bins of equal count",
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=f"mean score {material.scores.mean():.3f}, share of positives {material.labels.mean():.3f}",
        source="model.onnx on evaluation.parquet; pilot.yaml gate.calibration_limit",
    )


def parity(material: Material) -> Check:
    """The exported model is the trained one, on every evaluation row."""
    limit, gaps = material.pilot.file.gate.parity_limit, np.abs(material.scores - material.trained)
    worst = float(gaps.max())
    return Check(
        id="parity",
        requirement="Largest difference of a probability between model.onnx and the trained pipeline",
        value=worst,
        limit=limit,
        passed=worst <= limit,
        evidence=f"{int((~(gaps <= limit)).sum()):,} of {len(gaps):,} rows differ by more than the limit",
        source="model.onnx and pipeline.pkl on evaluation.parquet; pilot.yaml gate.parity_limit",
    )


ALL: list[Callable[[Material], Check]] = [
    contract, freshness, time_overlap, feature_too_good, result_too_good, baseline, champion, sites, calibration, parity,
]  # fmt: skip


def _sampled(material: Material) -> str:
    return f"{material.how.samples:,} paired samples of {int(material.days.max()) + 1} days"


def _single_auc(material: Material, feature: Column) -> float:
    """How well one feature alone ranks the evaluation rows, the best of three ways, each either way up.

    As it is with missing values lowest, then highest (numbers); and by the target's rate at its value in training
    (categories, and numbers cut in 50 bins with missing a bin of its own), which also finds what is not monotone.
    """
    train, rows, target = (
        material.train[feature.name],
        material.evaluation[feature.name],
        material.train[material.pilot.contract.target],
    )
    ways: list[pd.Series] = []
    if feature.numeric:
        train, rows = (part.astype("float64") for part in (train, rows))
        ways += [rows.fillna(rows.min() - 1), rows.fillna(rows.max() + 1)]
        edges = np.unique(train.quantile(np.linspace(0, 1, BINS + 1)[1:-1]).dropna())
        train, rows = (_binned(part, edges) for part in (train, rows))
    else:
        train, rows = (part.astype(object).where(part.notna(), "") for part in (train, rows))
    labels = target.astype("float64")
    ways.append(rows.map(labels.groupby(train).mean()).astype("float64").fillna(labels.mean()))
    areas = [auc(material.labels, np.nan_to_num(way.to_numpy(np.float64))) for way in ways]
    return max(max(area, 1 - area) for area in areas)


def _binned(values: pd.Series, edges: Floats) -> pd.Series:
    return pd.Series(np.where(values.isna(), -1, np.searchsorted(edges, values)), index=values.index)
