"""Phase 5 of CRISP-ML(Q), evaluation: the exported model on later weeks that nothing before has touched.

Requirement: how good, how sure, for whom, and at which cost, on the very bytes that would be released.
Risk: a mean that hides a site or a week; noise taken for skill; an export that is not the model that was trained.
Quality method: scores come from ONNX; intervals by a bootstrap of days; the baseline on the same rows; parity on every row.
Evidence: ``5-evaluation.json``, ``evaluation.parquet``, ``plots/evaluation/``.
"""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.fitting import brier, fit, labels_of, predict
from pipelines.measures import short, whole
from pipelines.stages import progress, read_table, run, table_bytes, write_json, write_whole
from tremplin.charter import AnyCharter
from tremplin.comparison import Bootstrap, Floats, Integers, auc, days_of, skill
from tremplin.contract import Contract
from tremplin.frame import model_columns, model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.paths import Paths
from tremplin.pilot import Pilot

OTHER_SEEDS = (1, 2)  # added to the pilot's own
PERMUTED_ROWS = 3_000  # rows the explanation is measured on
PERMUTATIONS = 3


@dataclass(frozen=True)
class Scored:
    """Evaluation rows with what the models say of them, on the unit interval; every array has shape (n,)."""

    rows: pd.DataFrame
    labels: Floats
    scores: Floats  # ONNX
    trained: Floats  # the fitted pipeline it was exported from
    baseline: Floats
    days: Integers


def measure(
    scored: Scored, contract: Contract, charter: AnyCharter, how: Bootstrap, timezone: str
) -> dict[str, Any]:
    """Every score with its interval; ``parity`` is the largest difference of ONNX from the trained pipeline."""
    labels, scores, task = scored.labels, scored.scores, contract.task
    loss, reference = (scores - labels) ** 2, (scored.baseline - labels) ** 2
    weeks = scored.rows[contract.time].dt.tz_convert(timezone).dt.strftime("%G-W%V")
    evidence = {
        **whole(labels, scores, scored.days, charter=charter, scale=contract.scale, how=how),
        f"{task.loss}_skill": asdict(skill(loss, reference, scored.days, how)),
        "baseline": {task.loss: float(reference.mean()), task.ranking: auc(labels, scored.baseline)},
        "parity": float(np.abs(scores - scored.trained).max()),
        "by_week": {
            str(week): short(labels[part], scores[part], charter, contract.scale)
            for week, part in _parts(weeks)
        },
    }
    if contract.site:
        evidence["by_site"] = {
            str(site): whole(
                labels[part], scores[part], scored.days[part], charter=charter, scale=contract.scale, how=how
            )
            for site, part in _parts(scored.rows[contract.site])
        }
    return evidence


def _parts(by: pd.Series) -> list[tuple[Any, NDArray[np.intp]]]:
    return [(name, np.flatnonzero(by == name)) for name in sorted(by.unique())]


def over_seeds(pilot: Pilot, winner: str, train: pd.DataFrame, scored: Scored) -> dict[str, Any]:
    """The winner fitted again with other seeds, each on the half of the training days that it draws.

    How much of the result is this draw of days and of numbers, and not the model. Half the days make it a little worse
    than the model itself.
    """
    contract = pilot.contract
    frame, labels = model_frame(train, contract), labels_of(train, contract)
    days = days_of(train[contract.time], pilot.file.data.timezone)
    later = model_frame(scored.rows, contract)

    def drawn_again(extra: int) -> tuple[str, dict[str, float]]:
        settings = pilot.file.model.model_copy(update={"seed": pilot.file.model.seed + extra})
        half = np.random.default_rng(settings.seed).permutation(days.max() + 1) % 2 == 0
        drawn = np.flatnonzero(half[days])
        fitted = fit(pilot, settings, winner, frame.iloc[drawn], labels[drawn])
        scores = contract.scale.to_unit(predict(fitted, later, contract))
        return str(settings.seed), {
            contract.task.loss: brier(scored.labels, scores),
            contract.task.ranking: auc(scored.labels, scores),
        }

    with ThreadPoolExecutor(pilot.file.model.threads) as pool:
        found = dict(pool.map(drawn_again, OTHER_SEEDS))
    for seed, scores in found.items():
        progress(f"seed {seed}: {contract.task.loss_name} {scores[contract.task.loss]:.4g}")
    return found


def importance(scored: Scored, model: OnnxModel, contract: Contract, seed: int) -> dict[str, float]:
    """AUC (of amounts, concordance) lost when one feature is shuffled among rows (Breiman 2001; mean of three shuffles)."""
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(scored.rows))[:PERMUTED_ROWS])
    columns = model_columns(model_frame(scored.rows.iloc[chosen], contract))
    labels, before = scored.labels[chosen], auc(scored.labels[chosen], scored.scores[chosen])
    found = {}
    for name, values in columns.items():
        shuffled = [columns | {name: generator.permutation(values)} for _ in range(PERMUTATIONS)]
        after = [auc(labels, model.score(given)) for given in shuffled]  # a rank is the same in any unit
        found[name] = before - float(np.mean(after))
    return found


def score(rows: pd.DataFrame, contract: Contract, model: OnnxModel, folder: Path, timezone: str) -> Scored:
    """Score the rows with the exported model and with the two pipelines in ``folder``."""
    frame = model_frame(rows, contract)
    trained, baseline = (
        # Our own stage wrote it; it never leaves the machine that trains.
        predict(pickle.loads((folder / f"{name}.pkl").read_bytes()), frame, contract)  # noqa: S301  # nosec B301
        for name in ("pipeline", "baseline")
    )
    to_unit = contract.scale.to_unit
    return Scored(
        rows,
        labels_of(rows, contract),
        to_unit(model.score(model_columns(frame))),
        to_unit(trained),
        to_unit(baseline),
        days_of(rows[contract.time], timezone),
    )


def table(scored: Scored, contract: Contract) -> pd.DataFrame:
    """One line a row: key, time, site where there is one, and in the target's own unit label, score, baseline_score."""
    named = {contract.key: "key", contract.time: "time"} | ({contract.site: "site"} if contract.site else {})
    return (
        scored.rows[list(named)]
        .rename(columns=named)
        .assign(
            label=contract.scale.from_unit(scored.labels),
            score=contract.scale.from_unit(scored.scores),
            baseline_score=contract.scale.from_unit(scored.baseline),
        )
    )


def stage(pilot: Pilot, paths: Paths) -> None:
    """Files in, files out."""
    from pipelines.plots import evaluation_plots

    _ = pilot.features, pilot.model  # what they define must be importable before it is unpickled
    contract, file = pilot.contract, pilot.file
    how = Bootstrap(file.gate.bootstrap_samples, file.gate.confidence, file.model.seed)
    model = OnnxModel(paths.model / "model.onnx", contract)
    scored = score(
        read_table(paths.prepared / "evaluation.parquet"), contract, model, paths.model, file.data.timezone
    )
    progress(f"{len(scored.rows):,} rows scored; {how.samples:,} draws of {len(np.unique(scored.days))} days")
    evidence = measure(scored, contract, pilot.charter, how, file.data.timezone)
    winner = _winner(paths)
    evidence |= {
        "winner": winner,
        "threshold": pilot.charter.decision_threshold,
        "confidence": how.confidence,
        "over_seeds": over_seeds(pilot, winner, read_table(paths.prepared / "train.parquet"), scored),
        "importance": importance(scored, model, contract, file.model.seed),
    }
    write_json(paths.report(5, "evaluation"), evidence)
    write_whole(paths.reports / "evaluation.parquet", table_bytes(table(scored, contract)))
    labels, scores, baseline = (
        contract.scale.from_unit(values) for values in (scored.labels, scored.scores, scored.baseline)
    )
    folder = paths.reports / "plots" / "evaluation"
    evaluation_plots(labels, scores, baseline, evidence=evidence, contract=contract, folder=folder)


def _winner(paths: Paths) -> str:
    winner: str = json.loads(paths.report(4, "modeling").read_text("utf-8"))["winner"]
    return winner


if __name__ == "__main__":
    run(stage)
