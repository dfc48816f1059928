"""Reads what the gate judges: the rows, and the scores of every model that is compared on them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from pipelines.availability import read as read_availability
from pipelines.fitting import labels_of, predict
from pipelines.gate.material import Material
from pipelines.remaking import Remade
from tremplin.comparison import Bootstrap, days_of
from tremplin.contract import Contract, load_contract
from tremplin.errors import TremplinError
from tremplin.frame import model_columns, model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.release import Release
from tremplin.settings import Settings


@dataclass(frozen=True)
class ChampionModel:
    """The release that answers today, to be met on the same rows. It reads its own contract."""

    release: Release

    def score(self, rows: pd.DataFrame, asked: Contract) -> NDArray[np.float64]:
        """Its answer to each row, on the unit interval of the contract that is ``asked`` now, shape (n,).

        Raises:
            TremplinError: the rows lack a column it needs, or it answers another question.
        """
        contract = load_contract(self.release.path / "contract.yaml")
        if (contract.task, contract.target) != (asked.task, asked.target):
            raise TremplinError(
                f"the champion {self.release.id} predicts {contract.target} ({contract.task}), and the contract "
                f"{asked.target} ({asked.task})"
            )
        missing = [feature.name for feature in contract.features if feature.name not in rows]
        if missing:
            raise TremplinError(
                f"the champion {self.release.id} needs {', '.join(missing)}, which these rows lack. Leave it in the contract "
                "without the tag `feature` until a model that does not need it is champion, then take it out"
            )
        model = OnnxModel(self.release.path / "model.onnx", contract)
        return asked.scale.to_unit(model.score(model_columns(model_frame(rows, contract))))


def gather(
    pilot: Pilot,
    paths: Paths,
    settings: Settings,
    *,
    champion: ChampionModel | None,
    as_of: datetime,
    look: int,
    remade: Callable[[], Remade] | None,
) -> Material:
    """Everything the checks look at.

    Raises:
        TremplinError: a file is missing, empty, damaged or lacks a column. (For a champion that cannot be scored a check blocks.)
    """
    train, evaluation = (_rows(paths.prepared / f"{part}.parquet") for part in ("train", "evaluation"))
    contract = pilot.contract
    needed = [c.name for c in contract.training_columns]
    for part, rows in (("train", train), ("evaluation", evaluation)):
        missing = [name for name in needed if name not in rows]
        if missing or rows.empty:
            what = f"lacks {', '.join(missing)}" if missing else "has no row"
            raise TremplinError(f"{paths.prepared / part}.parquet {what}. Run `dvc repro` again.")
    frame = model_frame(evaluation, contract)
    champion_scores, champion_fault = None, None
    if champion:
        try:
            champion_scores = champion.score(evaluation, contract)
        except TremplinError as error:
            champion_fault = str(error)
    gate, to_unit = pilot.file.gate, contract.scale.to_unit
    model_path = _present(paths.model / "model.onnx")
    model = OnnxModel(model_path, contract)
    pipeline, baseline = (_fitted(pilot, paths.model / f"{name}.pkl") for name in ("pipeline", "baseline"))
    return Material(
        pilot=pilot,
        settings=settings,
        as_of=as_of,
        look=look,
        remade=remade,
        train=train,
        evaluation=evaluation,
        audit=_held_apart(paths, contract, evaluation),
        availability=read_availability(_present(paths.snapshot)),
        labels=labels_of(evaluation, contract),
        days=days_of(evaluation[contract.time], pilot.file.data.timezone),
        scores=to_unit(model.score(model_columns(frame))),
        trained=to_unit(predict(pipeline, frame, contract)),
        baseline=to_unit(predict(baseline, frame, contract)),
        champion=champion.release.id if champion else None,
        champion_scores=champion_scores,
        champion_fault=champion_fault,
        how=Bootstrap(gate.bootstrap_samples, gate.confidence, pilot.file.model.seed),
        frame=frame,
        model_path=model_path,
        model=model,
        pipeline=pipeline,
    )


def _held_apart(paths: Paths, contract: Contract, evaluation: pd.DataFrame) -> pd.DataFrame:
    """What is held apart of each evaluation row, in its order; no column where the contract holds nothing apart."""
    names, key = [column.name for column in contract.held_apart], contract.key
    if not names:
        return evaluation[[]]
    audit = _rows(paths.audit)
    lacking = [name for name in (key, *names) if name not in audit]
    if lacking or not evaluation[key].isin(audit[key]).all():
        what = f"lacks {', '.join(lacking)}" if lacking else "lacks rows of evaluation.parquet"
        raise TremplinError(f"{paths.audit} {what}. Run `dvc repro` again.")
    return audit.set_index(key).loc[evaluation[key], names].reset_index(drop=True)


def _rows(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(_present(path))
    except (OSError, ValueError) as error:
        raise TremplinError(f"{path} cannot be read: {error}. Run `dvc repro` again.") from error


def _fitted(pilot: Pilot, path: Path) -> Pipeline:
    """A trained pipeline of ours. It is a pickle: our own stage wrote it, and it never leaves the pipeline."""
    _ = pilot.features, pilot.model  # what they define must be importable before it is unpickled
    try:
        fitted: Pipeline = pickle.loads(_present(path).read_bytes())  # noqa: S301  # nosec B301
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, AttributeError, ImportError) as error:
        raise TremplinError(f"{path} cannot be read: {error}. Run `dvc repro` again.") from error
    return fitted


def _present(path: Path) -> Path:
    if not path.exists():
        raise TremplinError(f"The gate has nothing to judge: {path} is missing. Run `dvc repro` first.")
    return path
