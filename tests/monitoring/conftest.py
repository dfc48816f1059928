"""Real rows, a store of its own for each test, and answers in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.postgres import postgres
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import load_settings
from tremplin.store import insert_once, open_store, outcomes, predictions

ROOT = Path(__file__).parents[2]
Answer = Callable[..., None]


@pytest.fixture(scope="session")
def pilot() -> Pilot:
    return load_pilot("flights", ROOT)


@pytest.fixture(scope="session")
def january(pilot: Pilot) -> pd.DataFrame:
    """Every departure of January, local time."""
    rows: pd.DataFrame = pilot.source.fetch(
        datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 2, 1, 5, tzinfo=UTC)
    )
    return rows


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty store, of both kinds that are supported."""
    if request.param == "sqlite":
        made = open_store(load_settings(root=tmp_path))
    else:
        made = open_store(load_settings(root=tmp_path, store_url=request.getfixturevalue("postgres_url")))
        with made.begin() as connection:
            connection.execute(sa.text("TRUNCATE predictions, outcomes, journal, live"))
    yield made
    made.dispose()


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
