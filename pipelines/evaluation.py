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

from pipelines.draws import Draws
from pipelines.fitting import brier, fit, labels_of
from pipelines.stages import progress, read_table, run, table_bytes, write_json, write_whole
from tremplin.charter import Charter
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
    """Evaluation rows with what the models say of them; every array has shape (n,)."""

    rows: pd.DataFrame
    labels: Floats
    scores: Floats  # ONNX
    trained: Floats  # the fitted pipeline it was exported from
    baseline: Floats
    days: Integers


def measure(
    scored: Scored, contract: Contract, charter: Charter, how: Bootstrap, timezone: str
) -> dict[str, Any]:
    """Every score with its interval; ``parity`` is the largest difference of ONNX from the trained pipeline."""
    labels, scores = scored.labels, scored.scores
    loss, reference = (scores - labels) ** 2, (scored.baseline - labels) ** 2
    weeks = scored.rows[contract.time].dt.tz_convert(timezone).dt.strftime("%G-W%V")
    evidence = {
        **whole(labels, scores, scored.days, charter, how),
        "brier_skill": asdict(skill(loss, reference, scored.days, how)),
        "baseline": {"brier": float(reference.mean()), "roc_auc": auc(labels, scored.baseline)},
        "parity": float(np.abs(scores - scored.trained).max()),
        "by_week": {str(week): _short(labels[part], scores[part]) for week, part in _parts(weeks)},
    }
    if contract.site:
        evidence["by_site"] = {
            str(site): whole(labels[part], scores[part], scored.days[part], charter, how)
            for site, part in _parts(scored.rows[contract.site])
        }
    return evidence


def whole(labels: Floats, scores: Floats, days: Integers, charter: Charter, how: Bootstrap) -> dict[str, Any]:
    """Ranking, calibration, decisions and cost of one group of rows."""
    draws, ones = Draws(days, how), np.ones_like(labels)
    roc, precision = draws.ranking(labels, scores)
    flagged = (scores >= charter.decision_threshold).astype(np.float64)
    costs = charter.costs
    missed, false_alarm = (1 - flagged) * labels * costs.missed, flagged * (1 - labels) * costs.false_alarm
    found = {
        "roc_auc": roc,
        "average_precision": precision,
        "brier": draws.ratio((scores - labels) ** 2, ones),
        "calibration_error": draws.calibration_error(labels, scores),
        "observed_expected": draws.ratio(labels, scores),
        "precision": draws.ratio(flagged * labels, flagged),
        "recall": draws.ratio(flagged * labels, labels),
        "flagged": draws.ratio(flagged, ones),
        "cost_per_row": draws.ratio(missed + false_alarm, ones),
        "saved_per_row_against_none": draws.ratio(labels * costs.missed - missed - false_alarm, ones),
        "saved_per_row_against_all": draws.ratio(
            (1 - labels) * costs.false_alarm - missed - false_alarm, ones
        ),
    }
    return {
        "rows": len(labels),
        "days": draws.days,
        "rate": float(labels.mean()),
        **{name: asdict(estimate) for name, estimate in found.items()},
    }


def _short(labels: Floats, scores: Floats) -> dict[str, Any]:
    return {
        "rows": len(labels),
        "rate": float(labels.mean()),
        "roc_auc": auc(labels, scores),
        "brier": brier(labels, scores),
        "observed_expected": float(labels.sum() / scores.sum()),
    }


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
        scores = fitted.predict_proba(later)[:, 1]
        return str(settings.seed), {
            "brier": brier(scored.labels, scores),
            "roc_auc": auc(scored.labels, scores),
        }

    with ThreadPoolExecutor(pilot.file.model.threads) as pool:
        found = dict(pool.map(drawn_again, OTHER_SEEDS))
    for seed, scores in found.items():
        progress(f"seed {seed}: Brier {scores['brier']:.4f}")
    return found


def importance(scored: Scored, model: OnnxModel, contract: Contract, seed: int) -> dict[str, float]:
    """AUC lost when one feature is shuffled among rows (Breiman 2001; mean of three shuffles)."""
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(scored.rows))[:PERMUTED_ROWS])
    columns = model_columns(model_frame(scored.rows.iloc[chosen], contract))
    labels, before = scored.labels[chosen], auc(scored.labels[chosen], scored.scores[chosen])
    found = {}
    for name, values in columns.items():
        shuffled = [columns | {name: generator.permutation(values)} for _ in range(PERMUTATIONS)]
        after = [auc(labels, model.score(given)) for given in shuffled]
        found[name] = before - float(np.mean(after))
    return found


def score(rows: pd.DataFrame, contract: Contract, model: OnnxModel, folder: Path, timezone: str) -> Scored:
    """Score the rows with the exported model and with the two pipelines in ``folder``."""
    frame = model_frame(rows, contract)
    trained, baseline = (
        # Our own stage wrote it; it never leaves the machine that trains.
        pickle.loads((folder / f"{name}.pkl").read_bytes()).predict_proba(frame)[:, 1]  # noqa: S301
        for name in ("pipeline", "baseline")
    )
    scores = model.score(model_columns(frame))
    return Scored(
        rows, labels_of(rows, contract), scores, trained, baseline, days_of(rows[contract.time], timezone)
    )


def table(scored: Scored, contract: Contract) -> pd.DataFrame:
    """One line a row: key, time, site where there is one, label, score, baseline_score."""
    named = {contract.key: "key", contract.time: "time"} | ({contract.site: "site"} if contract.site else {})
    return (
        scored.rows[list(named)]
        .rename(columns=named)
        .assign(label=scored.labels, score=scored.scores, baseline_score=scored.baseline)
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
    evaluation_plots(
        scored.labels, scored.scores, scored.baseline, evidence, paths.reports / "plots" / "evaluation"
    )


def _winner(paths: Paths) -> str:
    winner: str = json.loads(paths.report(4, "modeling").read_text("utf-8"))["winner"]
    return winner


if __name__ == "__main__":
    run(stage)
