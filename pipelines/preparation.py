"""Phase 3 of CRISP-ML(Q), data preparation: labelled rows, cut by time into training and evaluation.

Requirement: the final evaluation is on later weeks that nothing before it has touched.
Risk: something known only after the cut is trained on (leakage in time); special-category data is trained on.
Quality method: the cut is at midnight; rows before it whose label became known after it are purged (López de Prado 2018,
"Advances in Financial Machine Learning", 7.4.1); the two parts share no key; the
columns that the contract holds apart go to a table of their own, which only the gate's fairness checks read.
Evidence: ``3-preparation.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipelines.stages import read_table, run, table_bytes, write_json, write_whole
from tremplin.contract import Contract
from tremplin.errors import TremplinError
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.target import Task


@dataclass(frozen=True)
class Prepared:
    """Labelled rows in order of time, with the columns of the contract that are not held apart."""

    train: pd.DataFrame
    evaluation: pd.DataFrame
    audit: pd.DataFrame  # a row for each of evaluation's: its key, and what is held apart
    evidence: dict[str, Any]


def prepare(rows: pd.DataFrame, contract: Contract, *, evaluation_days: int, timezone: str) -> Prepared:
    """Cut the snapshot ``evaluation_days`` before the end of its last day.

    Raises:
        TremplinError: a part is empty, or has only one value of the target.
    """
    time, known_at, target = contract.time, contract.label_time, contract.target
    end = rows[time].max().tz_convert(timezone).normalize() + pd.Timedelta(days=1)
    cut = (end - pd.DateOffset(days=evaluation_days)).tz_convert("UTC")
    labelled = rows[rows[target].notna()].sort_values([time, contract.key], ignore_index=True)
    before = labelled[time] < cut
    purged = before & (labelled[known_at] > cut)
    train, evaluation = labelled[before & ~purged], labelled[~before]
    for name, part in (("training", train), ("evaluation", evaluation)):
        if part[target].nunique() < 2:
            raise TremplinError(
                f"The {name} rows ({len(part):,}; cut at {cut:%Y-%m-%d %H:%M} UTC) do not hold two values of {target}. "
                "Widen data.window_days or data.evaluation_days in pilot.yaml, or check the source."
            )
    evidence = {
        "cut": cut.isoformat(),
        "rows": len(rows),
        "unlabelled": len(rows) - len(labelled),
        "purged": int(purged.sum()),
        "shared_keys": len(set(train[contract.key]) & set(evaluation[contract.key])),
        "train": _part(train, contract),
        "evaluation": _part(evaluation, contract),
    }
    kept = [column.name for column in contract.training_columns]
    apart = [column.name for column in contract.held_apart]
    return Prepared(
        train[kept].reset_index(drop=True),
        evaluation[kept].reset_index(drop=True),
        evaluation[[contract.key, *apart]].reset_index(drop=True),
        evidence | {"held_apart": apart},
    )


def _part(rows: pd.DataFrame, contract: Contract) -> dict[str, Any]:
    label = rows[contract.target].astype(float)
    if contract.task is Task.CLASSIFICATION:
        target = {"positives": int(label.sum()), "rate": float(label.mean())}
    else:
        target = {"mean": float(label.mean()), "minimum": float(label.min()), "maximum": float(label.max())}
    return {
        "rows": len(rows),
        **target,
        "first": rows[contract.time].iloc[0].isoformat(),
        "last": rows[contract.time].iloc[-1].isoformat(),
        "labels_known_until": rows[contract.label_time].max().isoformat(),
    }


def stage(pilot: Pilot, paths: Paths) -> None:
    """Files in, files out."""
    data = pilot.file.data
    prepared = prepare(
        read_table(paths.snapshot),
        pilot.contract,
        evaluation_days=data.evaluation_days,
        timezone=data.timezone,
    )
    write_whole(paths.prepared / "train.parquet", table_bytes(prepared.train))
    write_whole(paths.prepared / "evaluation.parquet", table_bytes(prepared.evaluation))
    write_whole(paths.audit, table_bytes(prepared.audit))
    write_json(paths.report(3, "preparation"), prepared.evidence)


if __name__ == "__main__":
    run(stage)
