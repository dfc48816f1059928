"""A release that predicts an amount: a value in the contract's unit, within its range, and no decision."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
import yaml
from jsonschema import Draft202012Validator

from governance.lineage.records import answered
from pipelines.fitting import predict
from pipelines.replaying import record_outcomes, replay, request_rows
from serving.releases import interchangeable, open_servable
from tests.conftest import MARCH, ReleaseFactory, make_releases_of
from tests.delays import delays
from tests.serving.conftest import logged
from tremplin.errors import ReleaseRefused, TremplinError
from tremplin.frame import model_frame
from tremplin.live import Live, change
from tremplin.release import Release, open_release
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store, outcomes

Ask = Callable[..., httpx.Response]

LOW, HIGH = -60, 180  # minutes


@pytest.fixture(scope="session")
def amounts(tmp_path_factory: pytest.TempPathFactory) -> ReleaseFactory:
    """Releases that predict by how many minutes a departure arrives late."""
    made = delays(tmp_path_factory.mktemp("delays"))
    return make_releases_of(made.pilot, tmp_path_factory.mktemp("amounts"))


@pytest.fixture
def settings(tmp_path: Any, amounts: ReleaseFactory) -> Settings:
    return load_settings(
        root=amounts.pilot.folder.parents[1], home=tmp_path / "home", pilot="delays",
        release_public_key=amounts.public_key, port=0, live_poll_seconds=0.05,
    )  # fmt: skip


@pytest.fixture
def champion(amounts: ReleaseFactory, settings: Settings) -> Release:
    release = amounts(settings.releases)
    change(open_store(settings), "delays", Live(champion=release.id), by="test", reason="go")
    return release


@pytest.fixture
def rows(amounts: ReleaseFactory) -> list[dict[str, Any]]:
    return request_rows(amounts.rows.head(200), amounts.pilot.contract)


def test_the_values_are_those_of_the_trained_pipeline_in_its_unit(
    amounts: ReleaseFactory, champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    answers = ask("POST", "/predict", json={"rows": rows}).json()["predictions"]
    contract = amounts.pilot.contract
    trained = predict(amounts.pipeline, model_frame(amounts.rows.head(len(rows)), contract), contract)
    values = np.array([answer["value"] for answer in answers])
    assert np.abs(values - trained).max() < 1e-3
    assert values.std() > 1
    assert all("score" not in answer and "decision" not in answer for answer in answers)
    entries = {entry.prediction_id: entry for entry in logged(settings)}
    for answer in answers:
        entry = entries[answer["prediction_id"]]
        assert (entry.score, entry.decision, entry.excluded) == (answer["value"], None, None)


def test_a_row_that_is_not_covered_gets_a_reason_and_no_value(
    amounts: ReleaseFactory, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    def without_carrier(profile: bytes) -> bytes:
        left = {"group": [rows[0]["carrier"]], "rows": 3, "reason": "3 rows of evaluation, 200 needed"}
        others = sorted({row["carrier"] for row in rows} - {rows[0]["carrier"]})
        segment = {
            "columns": ["carrier"],
            "minimum_rows": 200,
            "served": [[c] for c in others],
            "excluded": [left],
        }
        return json.dumps({**json.loads(profile), "coverage": [segment]}).encode()

    release = amounts(settings.releases, edit={"profile.json": without_carrier})
    change(open_store(settings), "delays", Live(champion=release.id), by="test", reason="go")
    for row in rows[:20]:
        answer = ask("POST", "/predict", json=row).json()
        assert (answer["value"] is None) == (row["carrier"] == rows[0]["carrier"]) == bool(answer["excluded"])
    assert {entry.score is None for entry in logged(settings)} == {True, False}


def test_openapi_describes_the_amount_from_the_contract(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    document = ask("GET", "/openapi.json").json()
    schema = document["components"]["schemas"]["Prediction"]
    value = schema["properties"]["value"]
    assert (value["title"], value["anyOf"][0]) == (
        "arrival_delay",
        {"type": "number", "minimum": LOW, "maximum": HIGH, "unit": "minute"},
    )
    assert "after schedule" in value["description"]
    assert "minute" in value["description"]
    assert not {"score", "decision"} & set(schema["properties"])
    validator = Draft202012Validator({**schema, "components": document["components"]})
    answer = ask("POST", "/predict", json=rows[0]).json()
    validator.validate(answer)
    assert not validator.is_valid({**answer, "value": HIGH + 1})


def test_the_manifest_says_what_is_predicted(champion: Release, ask: Ask, amounts: ReleaseFactory) -> None:
    manifest = ask("GET", "/release").json()["releases"][champion.id]
    assert (manifest["task"], manifest["decision_threshold"]) == ("regression", None)
    assert open_release(champion.path, amounts.public_key).manifest.task == "regression"


def test_a_replay_stores_answers_and_outcomes_in_the_same_unit(
    amounts: ReleaseFactory, champion: Release, settings: Settings, serve: Any
) -> None:
    server = serve(TREMPLIN_PILOT="delays")
    sent, store = amounts.rows.head(300), open_store(settings)
    assert replay(server.url, amounts.pilot, sent, store).sent == 300
    known = record_outcomes(store, amounts.pilot, sent, MARCH)
    with store.connect() as connection:
        found = connection.execute(sa.select(outcomes.c.key, outcomes.c.label))
        labels = {key: float(label) for key, label in found}
    assert len(labels) == known.new == sent["arrival_delay"].notna().sum()
    told = sent.set_index("flight_id")["arrival_delay"]
    assert all(label == told[key] for key, label in labels.items())
    assert min(labels.values()) < 0
    assert max(labels.values()) > 100
    assert {LOW <= entry.score <= HIGH for entry in logged(settings)} == {True}
    counted = f'tremplin_predictions_total{{cohort="champion",release="{champion.id}"}} 300.0'
    assert counted in httpx.get(f"{server.url}/metrics").text


def test_an_answer_is_scored_again_and_a_changed_one_found(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    ask("POST", "/predict", json=rows[0])
    prediction = dict(logged(settings)[0]._mapping)
    assert answered(prediction, [], champion).verified
    for change_of in ({"score": prediction["score"] + 0.01}, {"decision": True}):
        assert answered(prediction | change_of, [], champion).verified is False


def test_a_challenger_of_another_question_or_unit_is_refused(
    amounts: ReleaseFactory, release_factory: Any, champion: Release, settings: Settings, tmp_path: Any
) -> None:
    def in_hours(contract: bytes) -> bytes:
        content = yaml.safe_load(contract)
        (target,) = [c for c in content["schema"][0]["properties"] if "target" in c.get("tags", [])]
        target["customProperties"] = [{"property": "unit", "value": "hour"}]
        return yaml.safe_dump(content, sort_keys=False).encode()

    def opened(release: Release, key: Any, pilot: str) -> Any:
        return open_servable(release.path.parent, release.id, key, pilot)

    here = opened(champion, amounts.public_key, "delays")
    interchangeable(here, here)
    hours = opened(amounts(settings.releases, edit={"contract.yaml": in_hours}), amounts.public_key, "delays")
    yes_or_no = opened(release_factory(tmp_path), release_factory.public_key, "flights")
    for other, said in ((hours, "in hour"), (yes_or_no, "late [(]classification")):
        with pytest.raises(TremplinError, match=said):
            interchangeable(here, other)


def test_a_release_whose_contract_asks_something_else_is_refused(
    amounts: ReleaseFactory, release_factory: Any, settings: Settings
) -> None:
    other = (release_factory.pilot.folder / "contract.yaml").read_bytes()
    release = amounts(settings.releases, edit={"contract.yaml": lambda _: other})
    with pytest.raises(ReleaseRefused, match=r"release\.json says regression, its contract classification"):
        open_servable(settings.releases, release.id, amounts.public_key, "delays")
