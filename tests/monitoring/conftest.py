"""Real rows, and answers about them in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.engine import Engine

from tremplin.pilot import Pilot
from tremplin.store import insert_once, outcomes, predictions

Answer = Callable[..., None]


@pytest.fixture(scope="session")
def january(pilot: Pilot) -> pd.DataFrame:
    """Every departure of January, local time."""
    rows: pd.DataFrame = pilot.source.fetch(
        datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 2, 1, 5, tzinfo=UTC)
    )
    return rows


@pytest.fixture
def answer(engine: Engine, pilot: Pilot) -> Answer:
    """Writes answers into the store as the server does, and their outcomes with the time they became known."""

    def write(
        rows: pd.DataFrame,
        scores: Sequence[float] | np.ndarray,
        *,
        release: str = "first",
        cohort: str = "champion",
        received: datetime = datetime(2013, 7, 1, tzinfo=UTC),
        name: str = "flights",
    ) -> None:
        contract = pilot.contract
        sent = json.loads(
            rows[[c.name for c in contract.request_columns]].to_json(orient="records", date_format="iso")
        )
        insert_once(
            engine,
            predictions,
            [
                {
                    "prediction_id": f"{release}-{received:%H%M}-{row[contract.key]}"[-36:],
                    "pilot": name,
                    "release_id": release,
                    "cohort": cohort,
                    "key": row[contract.key],
                    "subject": row["desk"],
                    "event_time": moment.to_pydatetime(),
                    "received_at": received,
                    "score": float(score),
                    "decision": bool(score >= pilot.charter.decision_threshold),
                    "row": row,
                }
                for row, moment, score in zip(sent, rows[contract.time], scores, strict=True)
            ],
        )
        known = rows.dropna(subset=contract.target)
        insert_once(
            engine,
            outcomes,
            [
                {"pilot": name, "key": key, "label": float(label), "known_at": moment.to_pydatetime()}
                for key, label, moment in zip(
                    known[contract.key], known[contract.target], known[contract.label_time], strict=True
                )
            ],
        )

    return write
