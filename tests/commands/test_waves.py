"""The flow that rolls out, asked every day: a good challenger reaches everybody, a degraded one is taken back by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines import rollout
from pipelines.flows import next_step
from tests.pipelines.lamp_town import Town, lamps
from tests.tremplin_cli import copy_of
from tremplin import journal, live
from tremplin.errors import TremplinError
from tremplin.frame import model_columns, model_frame
from tremplin.onnx_model import OnnxModel
from tremplin.release import open_release, write_release
from tremplin.settings import load_settings
from tremplin.store import insert_once, open_store, outcomes, predictions

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

BEGUN = datetime(2024, 2, 1, tzinfo=ZoneInfo("Europe/Paris"))


class Street:
    """A released pilot whose challenger answers every lamp from BEGUN on."""

    def __init__(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TREMPLIN_ROOT", str(town.root))
        self.pilot, settings = town.pilot, load_settings(root=town.root)
        self.store = open_store(settings)
        known = live.current(self.store, "lamps")
        assert known is not None
        self.champion = known[1].champion
        contract = self.pilot.contract
        rows = lamps()
        self.rows = rows[rows["morning"] >= BEGUN].reset_index(drop=True)
        model = OnnxModel(settings.releases / self.champion / "model.onnx", contract)
        self.scores = model.score(model_columns(model_frame(self.rows, contract)))
        self.settings = settings
        self.challenger = self.released(2)
        rollout.start_rollout(self.store, self.pilot, self.challenger, by="a test", as_of=BEGUN)

    def released(self, version: int, old: str = "", new: str = "") -> str:
        """A release like the champion, of another version; its contract says ``new`` for ``old``."""
        champion = open_release(self.settings.releases / self.champion, self.settings.release_public_key)
        files = {name: champion.path / name for name in champion.manifest.files}
        text = files["contract.yaml"].read_text("utf-8")
        assert old in text
        edited = self.settings.root / "edited.yaml"
        edited.write_text(text.replace(old, new), "utf-8")
        manifest = champion.manifest.model_copy(update={"model_version": version})
        files["contract.yaml"] = edited
        return write_release(self.settings.releases, files, manifest, self.settings.signing_key).id

    def answer(self, scores: NDArray[np.float64]) -> None:
        """The challenger's answers, and the outcomes with the time they became known."""
        contract = self.pilot.contract
        names = [column.name for column in contract.request_columns]
        sent = json.loads(self.rows[names].to_json(orient="records", date_format="iso"))
        made: list[dict[str, Any]] = [
            {
                "prediction_id": f"f-{row['check_id']}",
                "pilot": "lamps",
                "release_id": self.challenger,
                "cohort": "challenger",
                "key": row["check_id"],
                "subject": row["check_id"],
                "event_time": moment.to_pydatetime(),
                "received_at": moment.to_pydatetime(),
                "score": float(score),
                "decision": bool(score > 0.5),
                "row": row,
            }
            for row, moment, score in zip(sent, self.rows["morning"], scores, strict=True)
        ]
        insert_once(self.store, predictions, made)
        known = self.rows.dropna(subset="failed")
        told = [
            {"pilot": "lamps", "key": key, "label": float(label), "known_at": moment.to_pydatetime()}
            for key, label, moment in zip(
                known["check_id"], known["failed"], known["failed_known_at"], strict=True
            )
        ]
        insert_once(self.store, outcomes, told)

    def days(self, most: int) -> Iterator[str]:
        """What was done on each day that somebody asked."""
        for day in range(most):
            yield next_step.fn("lamps", self.challenger, BEGUN + timedelta(days=day))["done"]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in journal.entries(self.store)][4:]


@pytest.fixture
def street(released: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    return Street(copy_of(released, tmp_path / "street"), monkeypatch)


def test_a_good_challenger_passes_wave_after_wave(street: Street) -> None:
    street.answer(np.clip(street.scores + 0.01, 0, 1))
    done = []
    for what in street.days(40):
        done.append(what)
        if done.count("opened") == len(street.pilot.file.rollout.waves):
            break
    assert done[0] == done[-1] == "opened"
    assert set(done) == {"opened", "held"}
    waves = journal.entries(street.store, kind="wave")
    apart = [later.as_of - earlier.as_of for earlier, later in pairwise(waves)]
    assert min(apart) >= timedelta(days=street.pilot.file.rollout.wave_days)
    assert waves[1].facts["evidence"]["decision"] == "proceed"


def test_a_wave_is_not_judged_before_it_began(street: Street) -> None:
    """Held for thousands of days, a challenger would answer its users unjudged."""
    street.answer(street.scores)
    assert next_step.fn("lamps", street.challenger, BEGUN)["done"] == "opened"
    with pytest.raises(TremplinError, match=r"nothing of it was known then\. Name a later --as-of"):
        next_step.fn("lamps", street.challenger, BEGUN - timedelta(days=1))
    assert next_step.fn("lamps", street.challenger, BEGUN + timedelta(days=1))["done"] == "held"
    assert street.kinds().count("wave") == 1


def test_no_wave_is_opened_before_the_rollout_began(street: Street) -> None:
    with pytest.raises(
        TremplinError, match=r"its rollout, was taken as of 2024-01-31 23:00 UTC, after 2024-01-31"
    ):
        next_step.fn("lamps", street.challenger, BEGUN - timedelta(seconds=1))
    assert street.kinds() == ["rollout"]
    how = {"by": "a test", "reason": "complaints"}
    rollout.halt(street.store, street.pilot, as_of=BEGUN + timedelta(days=1), **how)
    rollout.resume(street.store, street.pilot, as_of=BEGUN + timedelta(days=2), **how)
    with pytest.raises(TremplinError, match="its resumption, was taken as of 2024-02-02 23:00 UTC"):
        next_step.fn("lamps", street.challenger, BEGUN + timedelta(days=1))
    assert next_step.fn("lamps", street.challenger, BEGUN + timedelta(days=2))["done"] == "opened"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "description: Years in service,",
            "description: In service, customProperties: [{property: unit, value: month}],",
            r"age is a number from 0 to 40, and its contract says .* \(month\)",
        ),
        ("name: age,", "name: years,", "needs years, which callers of the champion"),
        ("name: failed,", "name: went_dark,", r"answers went_dark \(classification\)"),
    ],
)
def test_a_challenger_that_every_server_would_refuse_meets_nobody(
    street: Street, old: str, new: str, said: str
) -> None:
    """Its users would see nothing of the wave, and the journal would say that it was opened."""
    rollout.rollback(
        street.store, street.pilot, street.challenger, by="a test", as_of=BEGUN, reason="another"
    )
    other = street.released(3, old, new)
    rollout.start_rollout(street.store, street.pilot, other, by="a test", as_of=BEGUN)
    known = live.current(street.store, "lamps")
    with pytest.raises(
        TremplinError, match=rf"No wave of {other} is opened: .*{said}.* `tremplin rollout rollback`"
    ):
        next_step.fn("lamps", other, BEGUN)
    assert live.current(street.store, "lamps") == known
    assert street.kinds() == ["rollout", "rollback", "rollout"]


def test_a_degraded_challenger_is_taken_back_by_itself_within_its_first_wave(street: Street) -> None:
    street.answer(1 - street.scores)
    done = []
    for what in street.days(30):
        done.append(what)
        if what == "rolled back":
            break
    assert done[-1] == "rolled back"
    assert set(done[1:-1]) == {"held"}
    known = live.current(street.store, "lamps")
    assert known is not None
    assert known[1] == live.Live(champion=street.champion)
    assert street.kinds() == ["rollout", "wave", "rollback"]
    facts = journal.entries(street.store, kind="rollback")[0].facts
    assert facts["evidence"]["interval"][0] > facts["evidence"]["margin"]
