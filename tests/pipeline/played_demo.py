"""A played demo, read where its facts were written."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tremplin import journal, live
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import Settings, load_settings
from tremplin.store import journal as journal_table
from tremplin.store import live as live_table
from tremplin.store import open_store, outcomes, predictions

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass
class Demo:
    """What a played demo left behind. Only read here; what is spoilt is a copy."""

    settings: Settings
    engine: Engine

    @cached_property
    def pilot(self) -> Pilot:
        return load_pilot("flights", self.settings.root)

    @cached_property
    def mlflow(self) -> MlflowClient:
        from tremplin.tracking import tracking

        return tracking(self.settings)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """Every prediction, in order of its event."""
        columns = [
            predictions.c[name]
            for name in ("prediction_id", "key", "subject", "cohort", "release_id", "event_time")
        ]
        query = sa.select(*columns).where(predictions.c.pilot == "flights").order_by(predictions.c.event_time)
        with self.engine.connect() as connection:
            return pd.DataFrame(connection.execute(query).mappings().all())

    @cached_property
    def known(self) -> dict[str, sa.Row[Any]]:
        """Every outcome, by its key."""
        query = sa.select(outcomes.c.key, outcomes.c.label, outcomes.c.known_at).where(
            outcomes.c.pilot == "flights"
        )
        with self.engine.connect() as connection:
            return {row.key: row for row in connection.execute(query)}

    @cached_property
    def departures(self) -> pd.DataFrame:
        """The departures of the time that was played, as the source knows them today."""
        zone = ZoneInfo(self.pilot.file.data.timezone)
        first = datetime.combine(self.pilot.file.demo.first_training, datetime.min.time(), zone)
        rows: pd.DataFrame = self.pilot.source.fetch(
            first, self.entries("promotion")[0].as_of.astimezone(zone)
        )
        return rows

    def entries(self, kind: str) -> list[journal.Entry]:
        return journal.entries(self.engine, pilot="flights", kind=kind)

    def history(self) -> list[live.Live]:
        """Every row of what was live, in order."""
        with self.engine.connect() as connection:
            own = sa.select(live_table.c.state).where(live_table.c.pilot == "flights")
            states = connection.scalars(own.order_by(live_table.c.version))
            return [live.Live.model_validate(state) for state in states]

    def prefect(self, query: str) -> list[dict[str, Any]]:
        """Rows of Prefect's database."""
        path = self.settings.home / "prefect" / "prefect.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def one_of(self, cohort: str, release: str) -> str:
        """A prediction of that cohort and release whose outcome is known."""
        of_it = self.answers[(self.answers["cohort"] == cohort) & (self.answers["release_id"] == release)]
        return str(of_it[of_it["key"].isin(self.known)]["prediction_id"].iloc[0])

    def copy(self, home: Path, prediction: str) -> Demo:
        """The journal, what is live, one prediction, MLflow's database, releases and keys: what a trace reads, to be spoilt."""
        for name in ("releases", "keys"):
            shutil.copytree(self.settings.home / name, home / name)
        shutil.copy(self.settings.home / "mlflow.db", home)
        settings = load_settings(root=self.settings.root, home=home)
        engine = open_store(settings)
        with self.engine.connect() as source, engine.begin() as target:
            asked = sa.select(predictions).where(predictions.c.prediction_id == prediction)
            for table, query in (
                (journal_table, sa.select(journal_table)),
                (live_table, sa.select(live_table)),
                (predictions, asked),
            ):
                target.execute(table.insert(), [dict(row) for row in source.execute(query).mappings()])
        return Demo(settings, engine)


def played(root: Path) -> Demo:
    """The demo whose workspace is ``root``."""
    settings = load_settings(root=root)
    return Demo(settings, open_store(settings))
