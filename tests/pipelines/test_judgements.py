"""A verdict is asked for again where what it rests on is another, and written once a judgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from pipelines import judgements
from pipelines.gate.looks import Window
from pipelines.judgements import circumstances, journal_verdict, newest_verdict, standing_verdict
from pipelines.recording import Recorded
from pipelines.verdict import Check, Verdict, facts
from tests.results import AS_OF, ROOT, edit
from tremplin import journal, live
from tremplin.journal import Entry
from tremplin.live import Live
from tremplin.pilot import Pilot, load_pilot
from tremplin.settings import load_settings

HASH = "0" * 64
RECORDED = Recorded(
    pilot="flights", run_id="1" * 32, model_version=1, result_hash="lock", commit="c" * 40, dirty=False, data_hash=HASH,
    contract_hash=HASH, model_hash=HASH, verdict=None, verdict_hash=None, created=True,
)  # fmt: skip
JUNE = Window(first=AS_OF - timedelta(days=30), last=AS_OF)
UNDER = {"environment": "production", "dirty": False, "pilot_file": "a", "gate": "b"}


def said(*, passed: bool, evidence: str = "as it was") -> Verdict:
    check = Check(
        id="freshness", requirement="", value=1.5, limit=2, interval=(None, 3), passed=passed, evidence=evidence, source=""
    )  # fmt: skip
    return Verdict(
        pilot="flights", as_of=AS_OF, passed=passed, model_hash=HASH, champion=None, checks=[check], coverage=[], fairness=[]
    )  # fmt: skip


def write(engine: Engine, verdict: Verdict, **given: Any) -> Entry:
    return journal_verdict(
        engine, verdict, **{"recorded": RECORDED, "under": UNDER, "evaluated": JUNE} | given
    )


def standing(engine: Engine, **given: Any) -> Entry | None:
    return standing_verdict(engine, "flights", "lock", **{"as_of": AS_OF, "under": UNDER} | given)


def test_a_judgement_is_written_once_with_what_it_rests_on(engine: Engine) -> None:
    for _ in range(2):
        entry = write(engine, said(passed=True))
    assert journal.entries(engine, kind="verdict") == [entry]
    assert Verdict.model_validate(entry.facts["verdict"]) == said(passed=True)
    assert Window.model_validate(entry.facts["evaluated"]) == JUNE
    assert (entry.facts["lock_hash"], entry.facts["under"], entry.facts["retraining"]) == (
        "lock",
        UNDER,
        False,
    )
    assert journal.verify(engine) == []


def test_a_block_never_stands(engine: Engine) -> None:
    entry = write(engine, said(passed=False))
    assert standing(engine) is None
    assert newest_verdict(engine, "flights", "lock") == entry


def test_a_result_may_be_judged_one_way_and_another_and_the_newest_counts(engine: Engine) -> None:
    for number, passed in enumerate((False, True, False, True), 1):
        entry = write(engine, said(passed=passed))
        assert len(journal.entries(engine, kind="verdict")) == number
        assert newest_verdict(engine, "flights", "lock") == entry
        assert standing(engine) == (entry if passed else None)


@pytest.mark.parametrize(
    "given",
    [{"as_of": AS_OF + timedelta(hours=1)}, *({"under": {**UNDER, name: "other"}} for name in UNDER)],
    ids=str,
)
def test_a_pass_stands_for_what_it_was_given_under_alone(engine: Engine, given: dict[str, Any]) -> None:
    entry = write(engine, said(passed=True))
    assert standing(engine) == entry
    assert standing(engine, **given) is None


def test_the_same_words_under_other_circumstances_are_another_judgement(engine: Engine) -> None:
    write(engine, said(passed=True))
    other = UNDER | {"dirty": True}
    entry = write(engine, said(passed=True), under=other)
    assert entry.number == 2
    assert standing(engine, under=other) == entry
    assert standing(engine) is None


def test_a_pass_of_an_older_version_that_does_not_say_under_what_does_not_stand(engine: Engine) -> None:
    old = {
        "version": 1,
        "passed": True,
        "champion": None,
        "lock_hash": "lock",
        "verdict": facts(said(passed=True)),
    }
    journal.append(engine, "verdict", identity="1:a", pilot="flights", by="gate", as_of=AS_OF, facts=old)
    assert standing(engine) is None
    assert write(engine, said(passed=True)).number == 2


def test_a_pass_stands_as_long_as_its_champion_does_or_it_is_champion_itself(engine: Engine) -> None:
    entry = write(engine, said(passed=True))
    live.change(engine, "flights", Live(champion="another"), by="a test", reason="")
    assert standing(engine) is None
    journal.append(
        engine, "release", identity="own", pilot="flights", by="", as_of=AS_OF, facts={"release": "own", "version": 1}
    )  # fmt: skip
    live.change(engine, "flights", Live(champion="own"), by="a test", reason="")
    assert standing(engine) == entry


def test_other_results_and_pilots_have_their_own(engine: Engine) -> None:
    write(engine, said(passed=True))
    write(engine, said(passed=True), recorded=replace(RECORDED, model_version=2, result_hash="other"))
    assert len(journal.entries(engine, kind="verdict")) == 2
    assert standing_verdict(engine, "support", "lock", as_of=AS_OF, under=UNDER) is None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    from shutil import copytree

    copytree(ROOT / "pilots" / "flights", tmp_path / "pilots" / "flights")
    return tmp_path


def test_circumstances_are_what_the_lock_does_not_hold(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(root=checkout, commit="c" * 40)
    pilot: Pilot = load_pilot("flights", checkout)
    known = circumstances(pilot, settings)
    assert circumstances(pilot, settings.model_copy(update={"commit": "d" * 40})) == known
    changed = {
        "environment": circumstances(pilot, settings.model_copy(update={"environment": "production"})),
        "dirty": circumstances(pilot, settings.model_copy(update={"dirty": True})),
    }
    path = checkout / "pilots" / "flights" / "pilot.yaml"
    path.write_text("# said again\n" + path.read_text("utf-8"), "utf-8")
    assert circumstances(load_pilot("flights", checkout), settings) == known, "a comment decides nothing"
    edit(checkout, {"data": {"freshness_days": 99}}, "flights")
    changed["pilot_file"] = circumstances(load_pilot("flights", checkout), settings)
    monkeypatch.setattr(judgements, "JUDGES", ("tremplin",))
    changed["gate"] = circumstances(pilot, settings)
    for name, under in changed.items():
        assert [key for key in known if under[key] != known[key]] == [name]
