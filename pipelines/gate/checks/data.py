"""Is the data what it should be: rows that obey the contract, recent, and nothing of the evaluation in training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.batch_checks import check_rows


def contract(material: Material) -> Check:
    """Every row that trained or evaluated the model obeys the contract."""
    personal = material.pilot.charter.gdpr.personal_data
    said, refused = [], []
    for part, rows in (("train", material.train), ("evaluation", material.evaluation)):
        checked = check_rows(rows.reset_index(drop=True), material.pilot.contract, columns="training")
        refused.append(np.isin(np.arange(len(rows)), checked.rejected.index))
        said += [f"{part}: {each.without_examples() if personal else each}" for each in checked.breaches]
    counted = np.concatenate(refused)
    if said and personal:
        said.append("the values are in train.parquet and evaluation.parquet, not here: data is personal")
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


CHECKS: list[CheckFunction] = [contract, freshness, time_overlap]
