"""``tremplin reproduce``: the same bytes again from an empty folder, and a clear word where that cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.people import People
from tests.pipelines.lamp_town import Town
from tests.tremplin_cli import AS_OF, begun, copy_of, tremplin
from tremplin import journal
from tremplin.settings import load_settings
from tremplin.store import open_store
from tremplin.tracking import tracking

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lamps")]

AGAIN = ("--pilot", "lamps", "reproduce", "1")


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@lamps.example")
    return subprocess.run(
        ["git", *identity, *words], cwd=root, capture_output=True, text=True, check=True
    ).stdout


def dvc(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def committed(lamp_run: Town, empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """A checkout whose first model was trained from a clean commit, and whose code has moved on since."""
    made = begun(lamp_run, tmp_path_factory.mktemp("committed") / "checkout", empty_mlflow)
    (made.root / ".gitignore").write_text(
        "/.tremplin/\n/data/\n/models/\n/reports/\n/.dvc/cache/\n/.dvc/tmp/\n"
    )
    git(made.root, "init", "--quiet")
    git(made.root, "add", "--all")
    git(made.root, "commit", "--quiet", "--message", "the first model")
    done = tremplin(made.root, "--pilot", "lamps", "run", "--as-of", AS_OF)
    assert done.returncode == 0, done.stdout + done.stderr
    model = made.root / "pilots" / "lamps" / "model.py"
    model.write_text(model.read_text().replace("num_leaves=7", "num_leaves=5"))
    git(made.root, "commit", "--quiet", "--all", "--message", "another idea")
    return made


def test_a_version_comes_again_from_its_commit_although_the_code_has_moved_on(
    committed: Town, cli: Cli, tmp_path: Path
) -> None:
    answer = cli(committed.root, *AGAIN, "--json", "--into", str(tmp_path / "again"))
    assert answer.code == 0, answer.err
    facts = json.loads(answer.out[answer.out.index("{") :])
    assert (facts["same"], facts["differing"]) == (True, [])
    assert facts["compared"] >= 8
    again = tmp_path / "again" / "models" / "lamps" / "model.onnx"
    assert again.read_bytes() == (committed.paths.model / "model.onnx").read_bytes()
    entries = journal.entries(open_store(load_settings(root=committed.root)), kind="reproduction")
    assert [entry.facts["same"] for entry in entries] == [True]
    client = tracking(load_settings(root=committed.root))
    assert client.get_model_version("lamps", "1").tags["tremplin.reproduced"] == "same"


def test_nothing_of_the_first_training_helps(committed: Town, cli: Cli, tmp_path: Path) -> None:
    """Stages that DVC remembers are run all the same: without the source of what they read there is no answer."""
    town = copy_of(committed, tmp_path / "checkout")
    shutil.rmtree(town.root / ".dvc" / "cache")
    answer = cli(town.root, *AGAIN)
    assert answer.code == 1
    assert "data/lamps/snapshot.parquet is neither in DVC's cache nor on its remote" in answer.err


def test_the_remote_has_what_the_cache_has_lost(committed: Town, cli: Cli, tmp_path: Path) -> None:
    town = copy_of(committed, tmp_path / "checkout")
    pushed = dvc(town.root, "push", "data/lamps/snapshot.parquet.dvc")
    assert pushed.returncode == 0, pushed.stderr
    shutil.rmtree(town.root / ".dvc" / "cache")
    answer = cli(town.root, *AGAIN)
    assert answer.code == 0, answer.err
    assert "the same bytes again" in answer.out


def test_code_that_no_commit_holds_is_named(lamp_run: Town, cli: Cli, tmp_path: Path) -> None:
    town = copy_of(lamp_run, tmp_path / "checkout")  # trained where there was no git
    model = town.root / "pilots" / "lamps" / "model.py"
    model.write_text(model.read_text() + "\n# another idea\n")
    answer = cli(town.root, *AGAIN)
    assert answer.code == 1
    assert "made with other code" in answer.err
    assert "pilots/lamps/model.py" in answer.err


def test_a_folder_that_holds_something_is_refused(committed: Town, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "something").write_text("here")
    answer = cli(committed.root, *AGAIN, "--into", str(tmp_path))
    assert answer.code == 1
    assert "is not empty" in answer.err


def test_a_model_that_hangs_on_something_unwritten_is_found(
    lamp_run: Town, empty_mlflow: Path, tmp_path: Path
) -> None:
    town = begun(lamp_run, tmp_path / "checkout", empty_mlflow)
    model = town.root / "pilots" / "lamps" / "model.py"
    share = "\n\ndef share() -> float:\n    import os\n\n    return float(os.environ['SHARE'])\n"
    model.write_text(model.read_text().replace("C=C", "C=C * share()") + share)
    first = tremplin(town.root, "--pilot", "lamps", "run", "--as-of", AS_OF, SHARE="1.0")
    assert first.returncode == 0, first.stdout + first.stderr
    again = tremplin(town.root, *AGAIN, SHARE="0.5")
    assert again.returncode == 1
    assert "did not come out the same" in again.stderr
    assert "models/lamps" in again.stderr


def test_a_first_model_with_a_seed_of_the_clock_is_blocked_with_the_files_that_differ_in_one_verdict(
    lamp_run: Town, cli: Cli, people: People, empty_mlflow: Path, tmp_path: Path
) -> None:
    town = begun(lamp_run, tmp_path / "checkout", empty_mlflow)
    model = town.root / "pilots" / "lamps" / "model.py"
    clock = "\n\ndef clock() -> float:\n    import time\n\n    return time.time_ns() % 1000 / 1000 + 0.5\n"
    model.write_text(model.read_text().replace("C=C", "C=C * clock()") + clock)
    for _run in range(2):
        done = tremplin(town.root, "--pilot", "lamps", "run", "--as-of", AS_OF)
        assert done.returncode == 0, done.stdout + done.stderr
    (verdict,) = journal.entries(open_store(load_settings(root=town.root)))
    assert verdict.facts["blocked_by"] == ["reproducibility"]
    check = next(c for c in verdict.facts["verdict"]["checks"] if c["id"] == "reproducibility")
    assert "models/lamps/model.onnx, models/lamps/pipeline.pkl" in check["evidence"]
    key = str(people.key("Camille Laurent"))
    answer = cli(town.root, "--pilot", "lamps", "approve", "1", "--key", key, "--as-of", AS_OF)
    assert answer.code == 1
    assert "blocked by the gate (reproducibility)" in answer.err
