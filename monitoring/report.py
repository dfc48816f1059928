"""Phase 7 of CRISP-ML(Q), monitoring: one window measured, and the evidence written.

Requirement: what the model does after its release is measured as at its evaluation, by site, with labels that came late.
Risk: the world moves and nobody notices; or a season is taken for a fault and the model is retrained on noise.
Quality method: effect sizes with a minimum sample, intervals by resampled days, a decision that is a pure function.
Evidence: ``<window>.json``, ``<window>-evidently.html`` and ``<window>-evidently.json``; of amounts also
``<window>-evidently-errors.html``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy.engine import Engine

from monitoring.drift import drift
from monitoring.errors import errors_page
from monitoring.evidence import WindowEvidence
from monitoring.fairness import PeopleBetween, fairness, stretch
from monitoring.performance import performance
from monitoring.windows import Window, load_window
from tremplin.errors import TremplinError
from tremplin.pilot import Pilot


def monitor_window(
    engine: Engine,
    pilot: Pilot,
    window: Window,
    *,
    as_of: datetime,
    release_id: str,
    release_profile: Mapping[str, Any],
    reference: pd.DataFrame,
    folder: Path,
    people: PeopleBetween,
) -> WindowEvidence:
    """Measure the answers of the champion ``release_id`` in ``window`` and write the evidence; the same again writes the same.

    Drift is of all the window's rows (the world is one), performance of the champion's own answers.

    Args:
        release_profile: the release's ``profile.json``; its ``performance`` holds what ``monitoring.performance.promise`` reads.
        reference: ``reference.parquet`` of the same model.
        folder: where the files go.
        people: asked for the protected columns, where the pilot has any.

    Raises:
        TremplinError: nothing was answered in the window, or the profile lacks the evaluation.
    """
    rows = load_window(engine, pilot, window, as_of)
    if rows.empty:
        raise TremplinError(
            f"No answer of {pilot.name} is in the store for {window.name}. Send its rows first: tremplin replay "
            f"--from {window.start:%Y-%m-%d} --to {window.end:%Y-%m-%d}."
        )
    own = rows[rows["release_id"] == release_id]
    arrived = window.end + timedelta(days=pilot.file.monitoring.label_days)
    awaited = arrived if as_of < arrived else None
    measured = performance(own, pilot, release_profile.get("performance", {}), awaited_until=awaited)
    moved = drift(
        rows.drop_duplicates(pilot.contract.key),
        reference,
        pilot,
        html=folder / f"{window.name}-evidently.html",
        json=folder / f"{window.name}-evidently.json",
    )
    errors_page(own, pilot, folder / f"{window.name}-evidently-errors.html")
    fair = None
    if pilot.contract.protected:
        longer = load_window(engine, pilot, stretch(pilot, window), as_of)
        longer = longer[longer["release_id"] == release_id]
        # Whom it chose can be seen at once, whether it was right only with every outcome.
        fair = fairness(longer if awaited is None else longer.assign(label=np.nan), pilot, window, people)
    evidence = WindowEvidence(
        pilot=pilot.name,
        window=window.name,
        start=window.start,
        end=window.end,
        as_of=as_of,
        release_id=release_id,
        answers={
            str(name): int(count) for name, count in rows["release_id"].value_counts(sort=False).items()
        },
        performance=measured,
        drift=moved,
        fairness=fair,
    )
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{window.name}.json"
    draft = final.with_suffix(".draft")
    draft.write_text(evidence.model_dump_json(indent=2) + "\n", "utf-8")
    draft.replace(final)  # whole or not at all
    return evidence
