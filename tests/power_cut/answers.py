"""What users asked and what came of it, without a server: answers and outcomes as they lie in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tests.pipelines.lamp_town import Town, lamps
from tests.power_cut.moments import FIRST
from tremplin import live
from tremplin.frame import model_columns, model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.settings import load_settings
from tremplin.store import insert_once, open_store, outcomes, predictions

Scores = NDArray[np.float64]


def answer(town: Town, how: Callable[[Scores], Scores]) -> None:
    """The challenger, or else the champion, answers every lamp since the first model; what is known of them arrives."""
    settings = load_settings(root=town.root)
    engine = open_store(settings)
    known = live.current(engine, "lamps")
    assert known is not None
    release = known[1].challenger or known[1].champion
    contract = town.pilot.contract
    rows = lamps()
    rows = rows[rows["morning"] >= datetime.fromisoformat(FIRST)].reset_index(drop=True)
    model = OnnxModel(settings.releases / release / "model.onnx", contract)
    scores = how(model.score(model_columns(model_frame(rows, contract))))
    names = [column.name for column in contract.request_columns]
    sent = json.loads(rows[names].to_json(orient="records", date_format="iso"))
    made = [
        {
            "prediction_id": f"p-{row['check_id']}",
            "pilot": "lamps",
            "release_id": release,
            "cohort": "challenger" if known[1].challenger else "champion",
            "key": row["check_id"],
            "subject": row["check_id"],
            "event_time": moment.to_pydatetime(),
            "received_at": moment.to_pydatetime(),
            "score": float(score),
            "decision": bool(score > 0.5),
            "row": row,
        }
        for row, moment, score in zip(sent, rows["morning"], scores, strict=True)
    ]
    insert_once(engine, predictions, made)
    labelled = rows.dropna(subset="failed")
    told = [
        {"pilot": "lamps", "key": key, "label": float(label), "known_at": moment.to_pydatetime()}
        for key, label, moment in zip(
            labelled["check_id"], labelled["failed"], labelled["failed_known_at"], strict=True
        )
    ]
    insert_once(engine, outcomes, told)
    engine.dispose()
