"""Phase 4 of CRISP-ML(Q), modeling: a baseline first, then the candidates, chosen by time-ordered cross-validation.

Requirement: the simplest model that predicts later weeks best, reproducible to the byte, and exported as it was fitted.
Risk: choosing by luck, by complexity or by rows from the future; a model that cannot be served.
Quality method: folds are expanding windows, purged like the evaluation; squared error: of probabilities the Brier score, which is
strictly proper (Gneiting and Raftery 2007), of amounts the loss that the mean minimises (Gneiting 2011); the one-standard-error
rule prefers the candidate listed earlier (Breiman et al. 1984, 3.4.3).
Evidence: ``4-modeling.json``.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from pipelines.exporting import export_onnx
from pipelines.fast import NoFastForm, export_fast
from pipelines.fitting import brier, fit, labels_of, predict
from pipelines.profiling import profile, reference_sample
from pipelines.stages import progress, read_table, run, table_bytes, write_json, write_whole
from tremplin.contract import Contract
from tremplin.fast_form import FOLDER
from tremplin.frame import model_frame
from tremplin.paths import Paths
from tremplin.pilot import Pilot


@dataclass(frozen=True)
class Trained:
    """What training leaves."""

    pipeline: Pipeline
    baseline: Pipeline
    onnx: bytes
    fast: dict[str, bytes]  # files of fast/, by name; none where the pipeline has no fast form
    evidence: dict[str, Any]


def train(rows: pd.DataFrame, pilot: Pilot) -> Trained:
    """Choose among the candidates of the pilot and fit the winner on all ``rows`` (labelled, in order of time).

    Raises:
        TremplinError: the winner does not convert to ONNX.
    """
    contract, settings = pilot.contract, pilot.file.model
    frame, labels = model_frame(rows, contract), labels_of(rows, contract)
    folds = list(time_folds(rows, contract, count=settings.folds, timezone=pilot.file.data.timezone))

    def later_loss(name: str, fold: tuple[NDArray[np.intp], NDArray[np.intp]]) -> float:
        known, later = fold
        fitted = fit(pilot, settings, name, frame.iloc[known], labels[known])
        return brier(labels[later], contract.scale.to_unit(predict(fitted, frame.iloc[later], contract)))

    scores: dict[str, list[float]] = {}
    with ThreadPoolExecutor(settings.threads) as pool:
        final_baseline = pool.submit(fit, pilot, settings, "baseline", frame, labels)
        names = ("baseline", *settings.candidates)
        started = {name: [pool.submit(later_loss, name, fold) for fold in folds] for name in names}
        for name, parts in started.items():
            scores[name] = [part.result() for part in parts]
            progress(f"{name}: {contract.task.loss_name} {np.mean(scores[name]):.4g} over {len(folds)} folds")
        baseline = final_baseline.result()
    winner = choose({name: scores[name] for name in settings.candidates})
    pipeline = fit(pilot, settings, winner, frame, labels)
    evidence = {
        "winner": winner,
        "parameters": settings.candidates[winner],
        "rows": len(rows),
        "folds": [_fold(rows, contract, known, later) for known, later in folds],
        "cross_validation": {
            name: {
                contract.task.loss: found,
                "mean": float(np.mean(found)),
                "standard_error": _standard_error(found),
            }
            for name, found in scores.items()
        },
    }
    return Trained(
        pipeline,
        baseline,
        export_onnx(pipeline, contract, winner),
        fast_form(pipeline, contract, frame),
        evidence,
    )


def fast_form(pipeline: Pipeline, contract: Contract, frame: pd.DataFrame) -> dict[str, bytes]:
    """The files of ``fast/``, by name; none where the pipeline cannot be followed without ONNX Runtime."""
    try:
        return export_fast(pipeline, contract, frame)
    except NoFastForm as reason:
        progress(f"no fast path and no exact explanations, ONNX Runtime answers: {reason}")
        return {}


def time_folds(
    rows: pd.DataFrame, contract: Contract, *, count: int, timezone: str
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions of ``count`` pairs (known, later).

    The days are cut into ``count + 1`` parts, and each part after the first meets all the days before it. A row whose
    label became known after the first midnight of the later part is in neither.
    """
    days = rows[contract.time].dt.tz_convert(timezone).dt.normalize()
    every = np.array(sorted(days.unique()))
    bounds = [part[0] for part in np.array_split(every, count + 1)]
    for start, end in zip(bounds[1:], [*bounds[2:], None], strict=True):
        known = (days < start) & (rows[contract.label_time] <= start)
        later = (days >= start) & ((days < end) if end is not None else True)
        yield np.flatnonzero(known), np.flatnonzero(later)


def choose(scores: dict[str, list[float]]) -> str:
    """The earliest candidate that is not worse than the best by more than one standard error of their difference.

    The folds are the same for both, and they differ from season to season more than the candidates differ from each
    other: the error is of the paired differences, not of the scores.
    """
    best = min(scores, key=lambda name: float(np.mean(scores[name])))
    for name, found in scores.items():
        behind = np.subtract(found, scores[best])
        if float(behind.mean()) <= _standard_error(behind.tolist()):
            return name
    return best


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


def _fold(
    rows: pd.DataFrame, contract: Contract, known: NDArray[np.intp], later: NDArray[np.intp]
) -> dict[str, Any]:
    time = rows[contract.time]
    return {
        "known": len(known),
        "later": len(later),
        "from": time.iloc[later[0]].isoformat(),
        "to": time.iloc[later[-1]].isoformat(),
    }


def stage(pilot: Pilot, paths: Paths) -> None:
    """Files in, files out."""
    rows = read_table(paths.prepared / "train.parquet")
    trained = train(rows, pilot)
    write_whole(paths.model / "pipeline.pkl", pickle.dumps(trained.pipeline, protocol=5))
    write_whole(paths.model / "baseline.pkl", pickle.dumps(trained.baseline, protocol=5))
    write_whole(paths.model / "model.onnx", trained.onnx)
    write_fast(paths, trained.fast)
    write_json(paths.model / "profile.json", profile(rows, pilot.contract, paths.model / "model.onnx"))
    sample = reference_sample(rows, pilot.contract, pilot.file.monitoring.drift_sample, pilot.file.model.seed)
    write_whole(paths.model / "reference.parquet", table_bytes(sample))
    write_json(paths.report(4, "modeling"), trained.evidence)


def write_fast(paths: Paths, files: dict[str, bytes]) -> None:
    """The folder ``fast/`` of a model; none of a model without a fast form, whatever was there before."""
    shutil.rmtree(paths.model / FOLDER, ignore_errors=True)
    for name, content in files.items():
        write_whole(paths.model / FOLDER / name, content)


if __name__ == "__main__":
    run(stage)
