"""`tremplin predict`: a file answered as the server answers, whole or not at all, and each answer logged once."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.replaying import request_rows
from tests.conftest import ReleaseFactory, Served, make_releases_of
from tests.delays import delays
from tests.tremplin_cli import CHECKOUT, start, tremplin
from tremplin.contract import Contract
from tremplin.live import Live, change
from tremplin.pilot import load_pilot
from tremplin.release import Release
from tremplin.settings import Settings, load_settings
from tremplin.store import open_store, predictions

SAID = ["key", "score", "decision", "excluded", "out_of_range", "review", "release", "cohort"]


@pytest.fixture
def live(settings: Settings, release_factory: ReleaseFactory) -> list[Release]:
    """A rollout halfway through."""
    releases = [release_factory(settings.releases, threshold=threshold) for threshold in (0.3, 0.4)]
    go_live(settings, Live(champion=releases[0].id, challenger=releases[1].id, share=0.5, rollout_key="k"))
    return releases


@pytest.fixture
def rows(release_factory: ReleaseFactory) -> pd.DataFrame:
    """A month that the release was not trained on, with what it is asked for: nobody has to take that out."""
    return release_factory.rows.assign(overdue=lambda found: found["overdue"].astype("Int64"))


def go_live(settings: Settings, state: Live) -> None:
    change(open_store(settings), settings.pilot, state, by="test", reason="test")


def variables(settings: Settings) -> dict[str, str]:
    return {
        "TREMPLIN_HOME": str(settings.home),
        "TREMPLIN_PILOT": settings.pilot,
        "TREMPLIN_RELEASE_PUBLIC_KEY": str(settings.release_public_key),
    }


def predict(settings: Settings, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return tremplin(settings.root, "predict", *map(str, words), **variables(settings))


def logged(settings: Settings) -> pd.DataFrame:
    with open_store(settings).connect() as connection:
        return pd.DataFrame(connection.execute(sa.select(predictions)).mappings())


def written(path: Path) -> pd.DataFrame:
    """The answers, from either format as the other would have them."""
    if path.suffix == ".parquet":
        found = pd.read_parquet(path)
        return found.assign(out_of_range=[";".join(names) for names in found["out_of_range"]])
    text = dict.fromkeys(("key", "excluded", "review", "prediction_id"), "str")
    found = pd.read_csv(path, dtype=text, true_values=["true"], false_values=["false"])
    return found.assign(out_of_range=found["out_of_range"].fillna(""))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_file_is_answered_as_the_server_answers_and_logged(
    *,
    kind: str,
    settings: Settings,
    live: list[Release],
    rows: pd.DataFrame,
    serve: Callable[..., Served],
    tmp_path: Path,
) -> None:
    rows = rows.iloc[:6000]
    source, output = tmp_path / f"rows.{kind}", tmp_path / f"rows.predictions.{kind}"
    rows.to_parquet(source) if kind == "parquet" else rows.to_csv(source, index=False)
    done = predict(settings, source, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "output": str(output), "answered": 6000, "resumed": 0, "set_aside": 0, "faults": None, "logged": True,
    }  # fmt: skip
    found = written(output)
    assert found["key"].tolist() == rows["flight_id"].tolist()
    store = logged(settings).set_index("prediction_id").loc[found["prediction_id"]]
    assert store["key"].tolist() == found["key"].tolist()
    np.testing.assert_allclose(store["score"].astype(float), found["score"].astype(float), rtol=1e-12)
    assert store["cohort"].value_counts().to_dict() == found["cohort"].value_counts().to_dict()
    assert set(found["cohort"]) == {"champion", "challenger"}
    some = rows.iloc[:400]
    answers = httpx.post(
        f"{serve().url}/predict",
        json={"rows": request_rows(some, release_contract(settings))},
        timeout=60,
        trust_env=False,
    ).json()["predictions"]
    for answer, said in zip(answers, found.to_dict("records"), strict=False):
        for name in ("key", "release", "cohort"):
            assert said[name] == answer[name]
        for name in ("excluded", "review"):
            assert (None if pd.isna(said[name]) else said[name]) == answer[name]
        assert said["out_of_range"] == ";".join(answer["out_of_range"])
        if answer["score"] is None:
            assert pd.isna(said["score"])
            assert pd.isna(said["decision"])
        else:
            assert said["score"] == pytest.approx(answer["score"], abs=1e-6)
            assert said["decision"] == answer["decision"]


def release_contract(settings: Settings) -> Contract:
    return load_pilot(settings.pilot, settings.root).contract


def test_killed_in_the_middle_it_goes_on_where_it_was_and_nothing_is_doubled(
    settings: Settings, live: list[Release], rows: pd.DataFrame, tmp_path: Path
) -> None:
    source, output, whole = (tmp_path / name for name in ("rows.parquet", "out.csv", "whole.csv"))
    rows.to_parquet(source)
    assert predict(settings, source, "--output", whole).returncode == 0
    with open_store(settings).begin() as connection:
        connection.execute(sa.delete(predictions))
    command = ["predict", str(source), "--output", str(output)]
    process = start(settings.root, *command, log=tmp_path / "log", **variables(settings))
    parts = tmp_path / ".out.csv.parts"
    first, begun = parts / "part-00000001.json", time.monotonic()
    while not first.exists():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < begun + 60
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert not output.exists()
    kept = {path.name: path.stat().st_mtime_ns for path in parts.glob("part-*.json")}
    assert 2 <= len(kept) < -(-len(rows) // 5000)
    done = predict(settings, source, "--output", output, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resumed"] == 5000 * len(kept)
    assert output.read_bytes() == whole.read_bytes()
    assert not parts.exists()
    assert sorted(logged(settings)["prediction_id"]) == sorted(written(output)["prediction_id"])
    # Once more, whole: the same answers are the same entries of the log.
    assert predict(settings, source, "--output", output).returncode == 0
    assert len(logged(settings)) == len(rows)


def test_a_row_that_does_not_fit_is_named_and_nothing_is_answered(
    settings: Settings, live: list[Release], rows: pd.DataFrame, tmp_path: Path
) -> None:
    source = tmp_path / "rows.csv"
    wrong = rows.iloc[:5100].astype({"distance": object, "origin": object})
    wrong.iloc[2, wrong.columns.get_loc("distance")] = "far"
    wrong.iloc[5050, wrong.columns.get_loc("origin")] = None
    wrong.to_csv(source, index=False)
    done = predict(settings, source)
    assert done.returncode == 1
    assert "2 faults" in done.stderr
    assert 'row 3, distance: got "far", expected a number' in done.stderr
    assert "row 5,051, origin: got null, expected one of EWR, JFK, LGA" in done.stderr
    assert logged(settings).empty
    assert [path.name for path in tmp_path.glob("rows*")] == ["rows.csv"]
    # Or the others are answered, and these are listed.
    done = predict(settings, source, "--on-fault", "set-aside", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["answered"], said["set_aside"]) == (5098, 2)
    with Path(said["faults"]).open() as file:
        listed = list(csv.DictReader(file))
    assert [(fault["row"], fault["column"], fault["got"]) for fault in listed] == [
        ("3", "distance", '"far"'),
        ("5051", "origin", "null"),
    ]
    keys = written(Path(said["output"]))["key"].tolist()
    assert keys == wrong["flight_id"].drop(wrong.index[[2, 5050]]).tolist()


@pytest.mark.parametrize(
    ("change_columns", "said"),
    [
        (lambda rows: rows.drop(columns=["carrier", "dest"]), "it lacks carrier, dest"),
        (lambda rows: rows.assign(mood=1), "the contract has no 'mood'"),
    ],
)
def test_columns_that_are_not_the_contracts_are_named(
    *,
    change_columns: Callable[[pd.DataFrame], pd.DataFrame],
    said: str,
    settings: Settings,
    live: list[Release],
    rows: pd.DataFrame,
    tmp_path: Path,
) -> None:
    for kind in ("csv", "parquet"):
        source = tmp_path / f"rows.{kind}"
        changed = change_columns(rows.iloc[:10])
        changed.to_parquet(source) if kind == "parquet" else changed.to_csv(source, index=False)
        done = predict(settings, source)
        assert done.returncode == 1
        assert said in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"flight_id\n\xff\xfe", "is not written in UTF-8"),
        ("rows.parquet", b"PAR1 is not enough", "cannot be read"),
        ("rows.xlsx", b"", "neither .parquet nor .csv"),
        ("none.csv", None, "There is no file"),
    ],
)
def test_a_file_that_is_none_is_said_to_be(
    *, name: str, content: bytes | None, said: str, settings: Settings, live: list[Release], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = predict(settings, tmp_path / name, "--output", tmp_path / "out.csv")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_release_is_tried_without_a_trace_in_the_log(
    settings: Settings,
    live: list[Release],
    rows: pd.DataFrame,
    release_factory: ReleaseFactory,
    tmp_path: Path,
) -> None:
    other = release_factory(settings.releases, threshold=0.2)
    source, output = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    rows.iloc[:99:2].to_parquet(source)  # pandas keeps its own numbers of rows beside them
    done = predict(settings, source, "--output", output, "--release", other.id)
    assert done.returncode == 0, done.stderr
    assert "nothing was logged" in done.stdout
    assert set(written(output)["release"]) == {other.id}
    assert logged(settings).empty
    (other.path / "model.onnx").write_bytes(b"altered")
    done = predict(settings, source, "--output", output, "--release", other.id)
    assert done.returncode == 1
    assert "was altered" in done.stderr


def test_a_stopped_model_answers_a_file_as_it_answers_callers(
    settings: Settings, live: list[Release], rows: pd.DataFrame, tmp_path: Path
) -> None:
    go_live(settings, Live(champion=live[0].id, stopped="it errs"))
    source, output = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.iloc[:50].to_csv(source, index=False)
    assert predict(settings, source, "--output", output).returncode == 0
    found = written(output)
    assert set(found["cohort"]) == {"stopped"}
    assert found["score"].isna().all()
    assert set(logged(settings)["cohort"]) == {"stopped"}


def test_nothing_live_is_said(settings: Settings, rows: pd.DataFrame, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    rows.iloc[:5].to_csv(source, index=False)
    done = predict(settings, source)
    assert done.returncode == 1
    assert "no release is live" in done.stderr


def test_an_amount_is_a_value(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = delays(tmp_path_factory.mktemp("delays"))
    factory = make_releases_of(made.pilot, tmp_path_factory.mktemp("amounts"))
    settings = load_settings(
        root=factory.pilot.folder.parents[1], home=tmp_path / "home", pilot="delays",
        release_public_key=factory.public_key,
    )  # fmt: skip
    go_live(settings, Live(champion=factory(settings.releases).id))
    for kind in ("parquet", "csv"):
        source, output = tmp_path / f"rows.{kind}", tmp_path / f"out.{kind}"
        rows = factory.rows.iloc[:300]
        rows.to_parquet(source) if kind == "parquet" else rows.to_csv(source, index=False)
        done = predict(settings, source, "--output", output)
        assert done.returncode == 0, done.stderr
        found = written(output)
        assert list(found)[:4] == ["key", "value", "excluded", "out_of_range"]
        assert found["value"].dropna().between(-60, 180).all()
        assert found["value"].notna().sum() > 250


def test_people_are_answered_and_no_message_shows_them(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    factory = make_releases_of(load_pilot("support", CHECKOUT), tmp_path / "releases", 2016)
    settings = load_settings(
        root=CHECKOUT, home=tmp_path / "home", pilot="support", release_public_key=factory.public_key
    )
    go_live(settings, Live(champion=factory(settings.releases).id))
    rows = factory.rows.iloc[:500]
    for kind in ("parquet", "csv"):
        source, output = tmp_path / f"rows.{kind}", tmp_path / f"out.{kind}"
        rows.to_parquet(source) if kind == "parquet" else rows.to_csv(source, index=False)
        done = predict(settings, source, "--output", output)
        assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(
        written(tmp_path / "out.csv").drop(columns="prediction_id"),
        written(tmp_path / "out.parquet").drop(columns="prediction_id"),
        check_dtype=False,
    )
    contract = factory.pilot.contract
    column = next(
        c for c in contract.request_columns if c.of_people and c.logicalType in ("integer", "number")
    )
    rows.astype({column.name: object}).assign(**{column.name: "secret"}).iloc[:1].to_csv(source, index=False)
    done = predict(settings, source, "--output", output)
    assert done.returncode == 1
    assert f"row 1, {column.name}: got a value that is not shown, expected" in done.stderr
    assert "secret" not in done.stderr
