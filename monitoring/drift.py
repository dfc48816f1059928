"""How far the features moved from the training rows: Evidently, by effect sizes.

Effect sizes and not p-values: with 20,000 rows a side every test finds a difference, and most matter to nobody. Numbers by the
population stability index (PSI; Siddiqi 2006, "Credit risk scorecards": .1 minor, .2 major), categories by the Jensen-Shannon
distance. Values that stop coming are drift that neither sees, so the share of missing values is compared too, by its PSI.
"""

from __future__ import annotations

import os
import warnings
from json import dumps, loads
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from monitoring.evidence import ColumnDrift, DriftEvidence
from tremplin.contract import Column
from tremplin.frame import model_frame
from tremplin.pilot import Pilot

# Without any drift the PSI of B bins between samples of n and m rows is about (B - 1)(1/n + 1/m) (Yurdakul and Naranjo 2020,
# "Statistical properties of the population stability index"): .06 for 30 bins and 1,000 rows a side, well under any threshold.
MINIMUM_ROWS = 1000
EMPTY = 1e-4  # stands for a share of zero in a logarithm, as Evidently has it


def drift(
    current: pd.DataFrame, reference: pd.DataFrame, pilot: Pilot, *, html: Path, json: Path
) -> DriftEvidence:
    """Compare the features of ``current`` with those of ``reference``, and write Evidently's report to both paths.

    Args:
        current: the window's rows, with the contract's features (others are not read).
        reference: a sample of the rows the model was trained on, with the same columns.

    Returns:
        The evidence; where there are too few rows it says so, no column is judged and no report is written.
    """
    policy, features = pilot.file.monitoring, pilot.contract.features
    fewest = min(len(current), len(reference))
    if fewest < MINIMUM_ROWS:
        html.unlink(missing_ok=True)
        json.unlink(missing_ok=True)
        why = f"{fewest:,} rows to compare of at least {MINIMUM_ROWS:,}"
        return DriftEvidence(
            rows=len(current),
            why_not=why,
            threshold=policy.drift_threshold,
            columns={},
            share_drifted=0,
            drifted=False,
        )
    html.parent.mkdir(parents=True, exist_ok=True)
    now, then = _sample(current, pilot), _sample(reference, pilot)
    comparable = [f for f in features if min(now[f.name].count(), then[f.name].count()) >= MINIMUM_ROWS]
    effects, document = _report(now, then, comparable, pilot, html)
    json.write_text(document, "utf-8")
    columns = {}
    for feature in features:
        effect = effects.get(feature.name)
        missing = _two_sided_psi(now[feature.name].isna().mean(), then[feature.name].isna().mean())
        columns[feature.name] = ColumnDrift(
            method="psi" if feature.numeric else "jensenshannon",
            effect=effect,
            missing_effect=missing,
            drifted=max(effect or 0, missing) >= policy.drift_threshold,
        )
    share = sum(column.drifted for column in columns.values()) / len(columns)
    return DriftEvidence(
        rows=len(current),
        why_not=None,
        threshold=policy.drift_threshold,
        columns=columns,
        share_drifted=share,
        drifted=share > policy.drift_share,
    )


def _sample(rows: pd.DataFrame, pilot: Pilot) -> pd.DataFrame:
    """At most ``drift_sample`` rows as the model sees them, missing text missing again."""
    size = min(len(rows), pilot.file.monitoring.drift_sample)
    frame = model_frame(rows.sample(size, random_state=pilot.file.model.seed), pilot.contract)
    texts = [feature.name for feature in pilot.contract.features if not feature.numeric]
    return frame.assign(**{name: frame[name].where(frame[name] != "", None) for name in texts})


def _two_sided_psi(now: float, then: float) -> float:
    """PSI of present against missing, from the share of missing values."""
    shares = np.clip(np.array([[now, 1 - now], [then, 1 - then]]), EMPTY, None)
    return float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())


def _report(
    now: pd.DataFrame, then: pd.DataFrame, features: list[Column], pilot: Pilot, html: Path
) -> tuple[dict[str, float], str]:
    """Write the page; the effect of each column, and the report as JSON."""
    _, presets = load_evidently()
    policy, names = pilot.file.monitoring, [feature.name for feature in features]
    preset = presets.DataDriftPreset(
        columns=names,
        num_method="psi",
        cat_method="jensenshannon",
        per_column_threshold=dict.fromkeys(names, policy.drift_threshold),
        drift_share=policy.drift_share,
    )
    report = _run(preset, now, then, features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report.save_html(str(html))
    content: dict[str, Any] = loads(report.json())
    effects = {
        metric["config"]["column"]: float(metric["value"])
        for metric in content["metrics"]
        if metric["config"]["type"] == "evidently:metric_v2:ValueDrift"
    }
    return effects, dumps(content, indent=1) + "\n"


def drifted_by_default(current: pd.DataFrame, reference: pd.DataFrame, pilot: Pilot) -> bool:
    """The verdict of Evidently's preset as it comes: its own tests, thresholds and share. Nothing here decides by it; the
    backtest compares with it.
    """
    _, presets = load_evidently()
    preset = presets.DataDriftPreset()
    content = _run(preset, _sample(current, pilot), _sample(reference, pilot), pilot.contract.features).dict()
    share = next(
        float(metric["value"]["share"])
        for metric in content["metrics"]
        if metric["config"]["type"] == "evidently:metric_v2:DriftedColumnsCount"
    )
    return bool(share >= preset.drift_share)


def _run(preset: Any, now: pd.DataFrame, then: pd.DataFrame, features: list[Column]) -> Any:
    """Evidently's report of one preset on the features of both tables."""
    evidently, _ = load_evidently()
    names = [feature.name for feature in features]
    definition = evidently.DataDefinition(
        numerical_columns=[feature.name for feature in features if feature.numeric],
        categorical_columns=[feature.name for feature in features if not feature.numeric],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Evidently does with NumPy is not ours to mend
        return evidently.Report([preset]).run(
            *(evidently.Dataset.from_pandas(rows[names], data_definition=definition) for rows in (now, then))
        )


def load_evidently() -> tuple[ModuleType, ModuleType]:
    """Import Evidently (6 s), which sends nothing: it reads this variable when it is loaded and when it would send."""
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its web parts use deprecated names of their own dependencies
        import evidently
        import evidently.presets

    return evidently, evidently.presets
