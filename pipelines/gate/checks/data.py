"""Is the data what it should be: rows that obey the contract, recent, and nothing of the evaluation in training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.batch_checks import check_rows


def contract(material: Material) -> Check:
    """Every row that trained or evaluated the model obeys the contract."""
    said, refused = [], []
    for part, rows in (("train", material.train), ("evaluation", material.evaluation)):
        checked = check_rows(rows.reset_index(drop=True), material.pilot.contract, columns="training")
        refused.append(np.isin(np.arange(len(rows)), checked.rejected.index))
        said += [f"{part}: {breach}" for breach in checked.breaches]
    counted = np.concatenate(refused)
    found = (
        "; ".join(said)
        or f"{len(material.train):,} training and {len(material.evaluation):,} evaluation rows checked"
    )
    return Check(
        id="contract",
        requirement="Every row obeys the data contract",
        value=int(counted.sum()),
        limit=0,
        passed=not said,
        evidence=f"{found}; {material.last_month.would_have_refused(counted)}",
        source="train.parquet, evaluation.parquet; contract.yaml",
    )


def freshness(material: Material) -> Check:
    """The newest labelled event is recent at ``as_of``."""
    limit = material.pilot.file.data.freshness_days
    newest = max(part[material.pilot.contract.time].max() for part in (material.train, material.evaluation))
    age = (pd.Timestamp(material.as_of) - newest) / pd.Timedelta(days=1)
    rows, names = material.rows, material.pilot.contract
    late = (rows[names.label_time] - rows[names.time] > pd.Timedelta(days=limit)).to_numpy(dtype=bool)
    return Check(
        id="freshness",
        requirement="The newest labelled row is recent, in days",
        value=age,
        limit=limit,
        passed=bool(0 <= age <= limit),
        evidence=f"newest labelled row {newest:%Y-%m-%d}, judged as of {material.as_of:%Y-%m-%d}; as too late for it, "
        f"{material.last_month.would_have_refused(late)}",
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


def near_duplicates(material: Material) -> Check:
    """No evaluation row is a training row under another key.

    A few categories repeat by nature: what is counted is how many more twins the evaluation has in training than the latest
    training rows, as many, have among the rows before them. Both look back on equally many rows.
    """
    limit = material.pilot.file.gate.near_duplicates_limit
    names = [*(f.name for f in material.pilot.contract.features), material.pilot.contract.target]
    train, evaluation = (
        pd.util.hash_pandas_object(rows[names], index=False).to_numpy()
        for rows in (material.train, material.evaluation)
    )
    latest = min(len(evaluation), len(train) // 2)
    twins = np.isin(evaluation, train[latest:])
    natural = float(np.isin(train[-latest:], train[:-latest]).mean())
    value = max(0.0, float(twins.mean()) - natural)
    every, month = np.concatenate([train, evaluation]), material.last_month.rows
    before = every[: int(month.argmax())][-(len(train) - latest) :]
    beyond = max(0.0, float(np.isin(every[month], before).mean()) - natural) if month.any() else 0.0
    return Check(
        id="near-duplicates",
        requirement="Share of evaluation rows that are training rows under another key, beyond what repeats by nature",
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=f"{int(twins.sum()):,} of {len(twins):,} evaluation rows equal an earlier row in every feature and the target; "
        f"within training it is {natural:.1%}; {material.last_month.would_have_refused_share(beyond)}",
        source="train.parquet, evaluation.parquet; pilot.yaml gate.near_duplicates_limit",
    )


CHECKS: list[CheckFunction] = [contract, freshness, time_overlap, near_duplicates]
