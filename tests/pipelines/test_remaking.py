"""A model is made again from its lock: the same bytes, or the files that differ by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipelines.remaking import Remade, made_again
from tests.pipelines.lamp_town import Town
from tests.results import Result, judged, line
from tests.tremplin_cli import copy_of
from tremplin import journal
from tremplin.errors import TremplinError
from tremplin.lock import md5_by_dvc
from tremplin.settings import load_settings
from tremplin.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

MODEL = "models/lamps"


@pytest.fixture
def place(lamp_run: Town, tmp_path: Path) -> Town:
    return copy_of(lamp_run, tmp_path / "checkout")


def again(place: Town) -> Remade:
    with made_again(place.paths) as remaking:
        found = remaking()
    assert list((place.root / ".tremplin" / "again").iterdir()) == []
    return found


def test_an_honest_model_comes_again_byte_for_byte(place: Town) -> None:
    found = again(place)
    assert found == Remade(compared=7, differing=[])


def edited_pickle(place: Town) -> list[str]:
    path = place.paths.model / "pipeline.pkl"
    path.write_bytes(path.read_bytes() + b".")
    return [f"{MODEL}/pipeline.pkl"]


def edited_export_and_lock(place: Town) -> list[str]:
    """As `dvc commit` would have it: the lock agrees with what was edited."""
    path = place.paths.model / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    lock = place.root / "dvc.lock"
    entries = yaml.safe_load(lock.read_text())
    for out in entries["stages"]["modeling@lamps"]["outs"]:
        out["md5"] = md5_by_dvc(place.root / out["path"])
    lock.write_text(yaml.safe_dump(entries))
    return [f"{MODEL}/model.onnx"]


def lost_profile(place: Town) -> list[str]:
    (place.paths.model / "profile.json").unlink()
    return [f"{MODEL}/profile.json"]


def lock_of_another_model(place: Town) -> list[str]:
    lock = place.root / "dvc.lock"
    entries = yaml.safe_load(lock.read_text())
    out = next(out for out in entries["stages"]["modeling@lamps"]["outs"] if out["path"] == MODEL)
    out["md5"] = "0" * 32 + ".dir"
    lock.write_text(yaml.safe_dump(entries))
    return [f"{MODEL} of dvc.lock"]


@pytest.mark.parametrize(
    "spoil", [edited_pickle, edited_export_and_lock, lost_profile, lock_of_another_model]
)
def test_what_does_not_come_from_its_lock_is_named(place: Town, spoil: Callable[[Town], list[str]]) -> None:
    named = spoil(place)
    assert again(place).differing == named


def test_a_seed_of_the_clock_is_found(place: Town) -> None:
    model = place.csv.with_name("model.py")
    clock = "\n\ndef clock() -> int:\n    import time\n\n    return time.time_ns() % 2**31\n"
    text = model.read_text().replace("random_state=seed", "random_state=clock()")
    assert "clock()" in text
    model.write_text(text + clock)
    parameters = place.csv.with_name("pilot.yaml")
    content = yaml.safe_load(parameters.read_text())
    content["model"]["candidates"].pop("linear")
    parameters.write_text(yaml.safe_dump(content, sort_keys=False))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--quiet"],
        cwd=place.root,
        env=os.environ | {"PATH": path},
        check=True,
    )
    differing = again(place).differing
    assert {f"{MODEL}/pipeline.pkl", f"{MODEL}/model.onnx", "reports/lamps/4-modeling.json"} <= set(differing)
    assert f"{MODEL}/reference.parquet" not in differing


def test_other_code_than_the_lock_s_is_named_and_nothing_runs(place: Town) -> None:
    model = place.csv.with_name("model.py")
    model.write_text(model.read_text() + "\n# another idea\n")
    found = again(place)
    assert found.compared == 0
    assert found.fault == "pilots/lamps/model.py changed or missing since dvc.lock was written"


def test_a_command_that_fails_says_why(place: Town) -> None:
    (place.root / "tremplin" / "errors.py").write_text(
        "raise SystemExit('no more')\n"
    )  # no input of the lock's
    fault = again(place).fault
    assert fault is not None
    assert "`python -m pipelines.modeling --pilot lamps` ended with 1: no more" in fault


def test_without_a_lock_there_is_nothing_to_make_again(place: Town) -> None:
    (place.root / "dvc.lock").unlink()
    with pytest.raises(TremplinError, match=r"dvc\.lock cannot be read"), made_again(place.paths):
        pass


def test_it_ends_with_what_it_runs_beside(place: Town) -> None:
    with pytest.raises(KeyError), made_again(place.paths):
        raise KeyError
    assert list((place.root / ".tremplin" / "again").iterdir()) == []


def test_the_first_verdict_holds_that_the_model_was_made_again(lamp_run: Town) -> None:
    (entry,) = journal.entries(open_store(load_settings(root=lamp_run.root)), kind="verdict")
    said = next(check for check in entry.facts["verdict"]["checks"] if check["id"] == "reproducibility")
    assert (said["passed"], said["value"]) == (True, 0)
    assert said["evidence"] == "7 files made again from dvc.lock, byte for byte"


def test_the_gate_blocks_a_first_model_that_was_not_made_again_or_came_out_otherwise(
    honest_result: Result,
) -> None:
    for remade, said in (
        (None, "this one was not made again"),
        (lambda: Remade(compared=6, differing=["models/flights/model.onnx"]), "1 of 6 files differ: models/flights/model.onnx"),
        (lambda: Remade(compared=0, differing=[], fault="train.parquet changed"), "cannot be made again: train.parquet changed"),
    ):  # fmt: skip
        verdict = judged(honest_result, remade=remade)
        assert verdict.blocked_by == ["reproducibility"]
        assert said in line(verdict, "reproducibility").evidence
