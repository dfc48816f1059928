"""What the charter's section ``service`` makes of answers: stop, review, notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.serving.conftest import logged
from tremplin.live import STOPPED, Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store

Ask = Callable[..., httpx.Response]
WHY = "the weather service sends nonsense"


def with_service(**changed: Any) -> dict[str, Callable[[bytes], bytes]]:
    return {"service.json": lambda sheet: json.dumps({**json.loads(sheet), **changed}).encode()}


def live(settings: Settings, release: Release, **state: Any) -> None:
    change(open_store(settings), settings.pilot, Live(champion=release.id, **state), by="test", reason="go")


@pytest.mark.parametrize("answer", [True, False, None])
def test_a_stopped_model_answers_by_the_fallback_rule_and_says_so(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings, answer: bool | None
) -> None:
    release = release_factory(
        settings.releases, edit=with_service(fallback={"answer": answer, "reason": "rule"})
    )
    live(settings, release, stopped=WHY)
    many = ask("POST", "/predict", json={"rows": rows[:20]}).json()["predictions"]
    for said in (ask("POST", "/predict", json=rows[0]).json(), *many):
        assert (said["score"], said["decision"], said["cohort"]) == (None, answer, STOPPED)
        assert said["excluded"] == f"a person stopped the model: {WHY}"
        assert (said["review"] is None) is (answer is not None)
    entries = logged(settings)
    assert {(e.score, e.decision, e.cohort) for e in entries} == {(None, answer, STOPPED)}
    assert len(entries) == 21
    assert ask("GET", "/notice").json()["stopped"] == WHY
    assert ask("GET", "/readyz").status_code == 200
    live(settings, release)
    assert ask("POST", "/predict", json=rows[0]).json()["score"] is not None


def test_scores_of_the_band_go_to_a_person_and_no_others(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    live(settings, release_factory(settings.releases, edit=with_service(review_band=[0.2, 0.3])))
    answers = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    within = [answer["score"] is not None and 0.2 <= answer["score"] <= 0.3 for answer in answers]
    told = [(answer["review"] or "").startswith("the score lies within 0.2 and 0.3") for answer in answers]
    assert told == within
    assert {True, False} == set(told)
    reviews = {entry.prediction_id: entry.review for entry in logged(settings)}
    assert [reviews[answer["prediction_id"]] for answer in answers] == [a["review"] for a in answers]


@pytest.mark.parametrize(
    ("policy", "named", "sent"),
    [("answer", [], False), ("warn", ["temp"], False), ("person", ["temp"], True)],
)
def test_what_training_never_saw_is_answered_warned_of_or_sent_to_a_person(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings,
    *, policy: str, named: list[str], sent: bool,
) -> None:  # fmt: skip
    live(
        settings, release_factory(settings.releases, edit=with_service(out_of_range=policy, review_band=None))
    )
    odd = ask("POST", "/predict", json={**rows[0], "temp": 119.5}).json()
    assert (odd["out_of_range"], odd["score"] is not None) == (named, True)
    assert odd["review"] == ("outside of what training saw: temp" if sent else None)
    assert ask("POST", "/predict", json=rows[0]).json()["review"] is None


def test_a_row_that_the_release_was_not_proven_on_goes_to_a_person(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    answer = ask("POST", "/predict", json={**rows[0], "carrier": "OO"}).json()
    assert (answer["score"], answer["review"]) == (
        None,
        "neither the model nor a rule decides: a person does",
    )


def test_the_notice_says_what_it_is_and_whom_to_turn_to(champion: Release, ask: Ask) -> None:
    notice = ask("GET", "/notice").json()
    assert notice["ai_system"] == "Late arrivals from New York"
    assert notice["responsible"] == {"name": "Camille Laurent", "contact": "camille.laurent@airline.example"}
    assert (notice["release"], notice["stopped"], notice["risk_class"]) == (champion.id, None, "minimal")
    assert "scores within 0.3 and 0.36" in notice["a_person_looks_at"]


def test_without_a_release_there_is_no_notice(ask: Ask) -> None:
    assert ask("GET", "/notice").status_code == 503


def test_a_release_from_before_is_served_as_the_defaults_say(
    release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    files = {name: path for name, path in release_factory.files.items() if name != "service.json"}
    older = type(release_factory)(**{**vars(release_factory), "files": files})
    live(settings, older(settings.releases))
    answer = ask("POST", "/predict", json=rows[0]).json()
    assert (answer["ai_system"], answer["review"]) == ("an AI system", None)
