"""Why it was answered so: by the release that answered, live or not; what cannot be told says why."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.serving.conftest import logged
from tremplin.live import Live, change
from tremplin.release import Release
from tremplin.settings import Settings
from tremplin.store import open_store

Ask = Callable[..., httpx.Response]


def sigmoid(margin: float) -> float:
    return 1 / (1 + math.exp(-margin))


def test_an_explanation_is_of_the_release_that_answered(
    champion: Release, release_factory: Any, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    answer = ask("POST", "/predict", json=rows[0]).json()
    live = ask("GET", f"/predictions/{answer['prediction_id']}/explanation").json()
    successor = release_factory(settings.releases, threshold=0.9)
    change(open_store(settings), "flights", Live(champion=successor.id), by="test", reason="next")
    later = ask("GET", f"/predictions/{answer['prediction_id']}/explanation").json()
    assert later == live
    assert (later["release"], later["cohort"]) == (champion.id, "champion")
    told = later["explanation"]
    assert told["unit"] == "log-odds"
    features = [column.name for column in release_factory.pilot.contract.features]
    assert list(told["contributions"]) == features
    assert told["margin"] == pytest.approx(told["base"] + sum(told["contributions"].values()))
    shutil.rmtree(champion.path)
    gone = ask("GET", f"/predictions/{answer['prediction_id']}/explanation")
    assert (gone.status_code, gone.json()["release"]) == (410, champion.id)
    assert ask("GET", f"/predictions/{answer['prediction_id']}").status_code == 200


def test_explain_answers_as_predict_does_and_says_why(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], settings: Settings
) -> None:
    wanted = ask("POST", "/predict", json={"rows": rows[:5]}).json()["predictions"]
    many = ask("POST", "/explain", json={"rows": rows[:5]}).json()["predictions"]
    one = ask("POST", "/explain", json=rows[0]).json()
    assert [found["score"] for found in many] == pytest.approx([found["score"] for found in wanted], abs=1e-6)
    assert one["explanation"] == many[0]["explanation"]
    assert set(one) == set(wanted[0]) | {"explanation"}
    stored = {entry.prediction_id for entry in logged(settings)}
    assert {found["prediction_id"] for found in [*wanted, *many, one]} == stored
    later = ask("GET", f"/predictions/{one['prediction_id']}/explanation").json()
    assert later["explanation"] == one["explanation"]


def test_what_no_model_answered_is_not_explained(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    answer = ask("POST", "/explain", json=rows[0] | {"carrier": "OO"}).json()
    assert (answer["score"], answer["explanation"]) == (None, None)
    assert ask("GET", f"/predictions/{answer['prediction_id']}/explanation").status_code == 409


def test_a_release_without_exact_contributions_says_so_and_logs_nothing(
    release_factory: Any, settings: Settings, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    release = release_factory(settings.releases, edit={"fast/encoding.json": lambda _content: b"{}"})
    change(open_store(settings), "flights", Live(champion=release.id), by="test", reason="go")
    answer = ask("POST", "/predict", json=rows[0]).json()
    for refused in (
        ask("POST", "/explain", json=rows[0]),
        ask("GET", f"/predictions/{answer['prediction_id']}/explanation"),
    ):
        assert refused.status_code == 501, refused.text
    assert len(logged(settings)) == 1


def test_where_one_cohort_cannot_be_explained_nothing_is_answered_or_logged(
    champion: Release, release_factory: Any, settings: Settings, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    mute = release_factory(
        settings.releases, threshold=0.9, edit={"fast/encoding.json": lambda _content: b"{}"}
    )
    live = Live(champion=champion.id, challenger=mute.id, share=0.5, rollout_key="wave")
    change(open_store(settings), "flights", live, by="test", reason="go")
    for body in ({"rows": rows[:50]}, rows[0]):
        assert ask("POST", "/explain", json=body).status_code == 501
    assert logged(settings) == []
    change(open_store(settings), "flights", Live(champion=champion.id), by="test", reason="alone")
    assert ask("POST", "/explain", json={"rows": rows[:50]}).status_code == 200


def test_few_rows_are_explained_at_a_time(champion: Release, ask: Ask, rows: list[dict[str, Any]]) -> None:
    assert ask("POST", "/explain", json={"rows": rows[:101]}).status_code == 422
    assert (
        ask("POST", "/explain", json={"rows": [rows[0] | {"origin": "SFO"}]}).json()["errors"][0]["field"]
        == "origin"
    )


def test_openapi_describes_what_is_sent_and_answered(
    champion: Release, ask: Ask, rows: list[dict[str, Any]]
) -> None:
    document = ask("GET", "/openapi.json").json()
    answer = ask("POST", "/predict", json=rows[0]).json()
    review = {"prediction_id": answer["prediction_id"]}
    examples: dict[str, dict[str, Any]] = {}
    for path in ("/outcomes", "/reviews", "/explain"):
        operation = document["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        sent = Draft202012Validator({**body["schema"], "components": document["components"]})
        for name, one in body["examples"].items():
            value = one["value"] | (review if path == "/reviews" else {})
            sent.validate(value)
            got = ask("POST", path, json=value)
            assert got.status_code in (200, 201), got.text
            told = operation["responses"][str(got.status_code)]["content"]["application/json"]["schema"]
            Draft202012Validator({**told, "components": document["components"]}).validate(got.json())
            examples[f"{path} {name}"] = got.json()
        assert not sent.is_valid({})
    assert len(examples) == 5
    for path in ("/predictions/{prediction_id}", "/predictions/{prediction_id}/explanation"):
        got = ask("GET", path.format(**review))
        told = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**told, "components": document["components"]}).validate(got.json())


def test_openapi_describes_the_inference_protocol(
    champion: Release, ask: Ask, rows: list[dict[str, Any]], release_factory: Any
) -> None:
    from tests.serving.test_inference_protocol import json_inputs

    document = ask("GET", "/openapi.json").json()

    def of(schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": document["components"]})

    body = {"inputs": json_inputs(release_factory.pilot.contract, rows[:2])}
    operation = document["paths"]["/v2/models/{name}/infer"]["post"]
    of(operation["requestBody"]["content"]["application/json"]["schema"]).validate(body)
    got = ask("POST", "/v2/models/flights/infer", json=body)
    of(operation["responses"]["200"]["content"]["application/json"]["schema"]).validate(got.json())
    for path, asked in (("/v2", "/v2"), ("/v2/models/{name}", "/v2/models/flights")):
        told = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        of(told).validate(ask("GET", asked).json())
