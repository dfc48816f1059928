"""Evidently's page of the errors of answered amounts: answers against outcomes, how errors are spread, and where they grow.

Of yes or no there is none: what can be wrong there is two numbers, and they stand in the evidence. The reference has no outcomes
(a release holds no training row, and drift needs none), so the window stands alone; what it is compared with is the evaluation's
measures, in ``performance``. Evidently's MAPE divides by outcomes: it means nothing where they may be zero.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from monitoring.drift import load_evidently
from tremplin.pilot import Pilot
from tremplin.target import Task


def errors_page(rows: pd.DataFrame, pilot: Pilot, html: Path) -> None:
    """Write the page of answers with an outcome; where the pilot answers yes or no, or too few are known, there is none.

    Args:
        rows: answers of the release, with ``score`` and ``label`` in the target's own unit.
    """
    known = rows.loc[rows["label"].notna(), ["score", "label"]]
    if pilot.contract.task is Task.CLASSIFICATION or len(known) < pilot.file.monitoring.minimum_rows:
        html.unlink(missing_ok=True)
        return
    evidently, presets = load_evidently()
    sample = known.sample(
        min(len(known), pilot.file.monitoring.drift_sample), random_state=pilot.file.model.seed
    )
    regression = evidently.Regression(target="label", prediction="score")
    definition = evidently.DataDefinition(numerical_columns=["label", "score"], regression=[regression])
    html.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Evidently does with NumPy is not ours to mend
        report = evidently.Report([presets.RegressionPreset()])
        report.run(evidently.Dataset.from_pandas(sample, data_definition=definition), None).save_html(
            str(html)
        )
