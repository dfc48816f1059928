"""From a table with an amount to a month of answers that are measured and traced, as a person calls the commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from tests.people import People
from tests.pipelines.lamp_town import lamps
from tests.tremplin_cli import AS_OF, SCRIPT, environment, lamp_checkout, tremplin
from tremplin.settings import load_settings
from tremplin.store import open_store, outcomes, predictions

pytestmark = pytest.mark.slow

OF = ("--pilot", "meters")
APRIL = ("--from", "2024-04-01", "--to", "2024-05-01", "--as-of", AS_OF)


def consumption() -> pd.DataFrame:
    """The lamps' checks, with what each used in the night: age, flickers and rain cost more; one in fifty has no meter."""
    rows, random = lamps(), np.random.default_rng(3)
    used = 20 + 0.5 * rows["age"] + 1.5 * rows["flickers"].fillna(3).astype(float) + 4 * rows["wet"]
    noisy = (used + random.normal(0, 4, len(rows))).round(2)
    return rows.assign(used=noisy.mask(random.random(len(rows)) < 0.02)).drop(
        columns=["failed", "failed_known_at"]
    )


@dataclass(frozen=True)
class World:
    """A checkout where the pilot was made and ran, with a server of its release."""

    root: Path
    url: str
    verdict: dict[str, Any]


@pytest.fixture(scope="module")
def played(people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = lamp_checkout(tmp_path_factory.mktemp("amounts") / "checkout").root
    consumption().to_csv(root / "checks.csv", index=False)

    def done(*words: str) -> str:
        found = tremplin(root, *words, TREMPLIN_ALLOWED_SIGNERS=str(people.signers))
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    done(
        "new",
        "meters",
        "--from",
        "checks.csv",
        "--target",
        "used",
        "--site",
        "quarter",
        "--label-after",
        "27h",
    )
    decide(root / "pilots" / "meters" / "pilot.yaml", root / "pilots" / "lamps" / "pilot.yaml")
    assert "ok pilot meters" in done("check", *OF)
    ran = done(*OF, "run", "--as-of", AS_OF, "--json")
    verdict = json.loads(ran[ran.index("{") :])["verdict"]
    assert verdict["passed"], [check for check in verdict["checks"] if not check["passed"]]
    done(*OF, "approve", "1", "--key", str(people.key("Camille Laurent")), "--as-of", AS_OF)
    server = subprocess.Popen(
        [SCRIPT, *OF, "serve", "--port", "0"], cwd=root, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = server.stdout.readline().split()[-1]
    facts = json.loads(done(*OF, "replay", "--url", url, *APRIL, "--json"))
    assert facts["sent"] == 1800
    yield World(root, url, verdict)
    server.terminate()
    server.communicate(timeout=30)


def decide(pilot: Path, lamps_pilot: Path) -> None:
    """What only a person can know: who may what, and what these lamps are like."""
    content = yaml.safe_load(pilot.read_text("utf-8"))
    charter = yaml.safe_load(lamps_pilot.read_text("utf-8"))["charter"]
    content["charter"] |= {"owner": charter["owner"], "people": charter["people"]}
    content["gate"] |= {
        "bootstrap_samples": 200,
        "unit_errors_limit": 1.0,
    }  # ten times the flickers fit the contract
    content["monitoring"] |= {"drift_sample": 1000}
    pilot.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def test_the_gate_judged_the_amount(played: World) -> None:
    found = {check["id"]: check["passed"] for check in played.verdict["checks"]}
    assert {"contract", "baseline", "feature-too-good", "calibration", "parity", "noise"} <= set(found)
    assert set(found.values()) == {True}


def test_the_server_answers_in_the_unit_of_the_contract(played: World) -> None:
    document = httpx.get(f"{played.url}/openapi.json").json()
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    answer = httpx.post(f"{played.url}/predict", json=example["one row"]["value"]).json()
    value = document["components"]["schemas"]["Prediction"]["properties"]["value"]["anyOf"][0]
    assert value["minimum"] <= answer["value"] <= value["maximum"]
    assert "decision" not in answer


def test_answers_and_outcomes_meet_in_their_own_unit(played: World) -> None:
    with open_store(load_settings(root=played.root)).connect() as connection:
        query = sa.select(predictions.c.score, predictions.c.decision, outcomes.c.label).join(
            outcomes, predictions.c.key == outcomes.c.key
        )
        found = pd.DataFrame(connection.execute(query).mappings().all())
    assert 1650 < len(found) < 1800
    assert found["decision"].isna().all()
    error = (found["score"] - found["label"]).abs().mean()
    assert error < 0.6 * (found["label"] - found["label"].mean()).abs().mean()


def test_an_answer_is_traced(played: World) -> None:
    with open_store(load_settings(root=played.root)).connect() as connection:
        prediction = connection.scalars(sa.select(predictions.c.prediction_id).limit(1)).one()
    done = tremplin(played.root, *OF, "trace", prediction, "--json")
    found = json.loads(done.stdout)
    assert {link["name"] for link in found["links"] if link["verified"] is False} <= {"approval"}
    assert "Traceback" not in done.stderr


def test_a_month_is_measured_and_nothing_tells_a_traceback(played: World) -> None:
    done = tremplin(played.root, *OF, "monitor", "2024-04", "--as-of", AS_OF, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["action"] in ("wait", "watch")
    status = tremplin(played.root, *OF, "status", "--json")
    assert json.loads(status.stdout)["predictions"] >= 1800
    backtest = tremplin(played.root, *OF, "backtest", "--help")
    assert backtest.returncode == 0
