"""`dvc repro` in a process of its own: the same bytes anywhere, and no harm from a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.ingestion import ingest
from tests.pipelines.lamp_town import AS_OF, town
from tremplin.paths import Paths
from tremplin.pilot import load_pilot

CHECKOUT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dvc")]


def workspace(root: Path, pilot: str) -> Path:
    """What a clone has of the graph, for one pilot, with a cache of its own."""
    keep_out = shutil.ignore_patterns("__pycache__", "cache", "tmp")
    for name in ("pipelines", "tremplin", ".dvc"):
        shutil.copytree(CHECKOUT / name, root / name, ignore=keep_out)
    if pilot == "flights":
        shutil.copytree(CHECKOUT / "pilots" / pilot, root / "pilots" / pilot, ignore=keep_out)
    graph = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text("utf-8"))
    graph["vars"] = [{"pilots": [pilot]}]
    (root / "dvc.yaml").write_text(yaml.safe_dump(graph), "utf-8")
    shutil.copy(CHECKOUT / ".dvcignore", root)
    dvc(root, "config", "--local", "core.no_scm", "true")
    return root


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def dvc(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lock(root: Path) -> Any:
    return yaml.safe_load((root / "dvc.lock").read_text("utf-8"))["stages"]


def make_smaller(root: Path) -> None:
    """Seven weeks of flights and fewer trees: the same code in a sixth of the time."""
    file = root / "pilots" / "flights" / "pilot.yaml"
    content = yaml.safe_load(file.read_text("utf-8"))
    content["data"] |= {"window_days": 45, "evaluation_days": 10, "minimum_rows": 5000}
    content["model"]["candidates"]["boosted"]["trees"] = 40
    content["gate"]["bootstrap_samples"] = 200
    file.write_text(yaml.safe_dump(content), "utf-8")


def test_the_same_snapshot_in_two_clones_gives_the_same_lock_and_the_same_model(tmp_path: Path) -> None:
    locks, models = [], []
    for name in ("one", "another/deeper"):
        root = workspace(tmp_path / name, "flights")
        make_smaller(root)
        ingest(load_pilot("flights", root), Paths(root, "flights"), datetime(2013, 3, 1, tzinfo=UTC))
        dvc(root, "add", "data/flights/snapshot.parquet")
        dvc(root, "repro")
        locks.append(lock(root))
        files = [path for path in (root / "models" / "flights").rglob("*") if path.is_file()]
        models.append({str(path.relative_to(root)): path.read_bytes() for path in files})
    assert locks[0] == locks[1]
    assert models[0] == models[1]
    assert set(locks[0]) == {
        f"{s}@flights" for s in ("understanding", "preparation", "modeling", "evaluation")
    }


def test_a_killed_training_is_taken_up_again_and_completes(tmp_path: Path) -> None:
    root = workspace(tmp_path / "town", "lamps")
    ingest(town(root).pilot, Paths(root, "lamps"), AS_OF)
    dvc(root, "add", "data/lamps/snapshot.parquet")
    kill_during_modeling(root)
    assert "modeling@lamps" not in lock(root)
    dvc(root, "repro")
    assert {name.split("@")[0] for name in lock(root)} == {
        "understanding",
        "preparation",
        "modeling",
        "evaluation",
    }
    assert "up to date" in dvc(root, "status")
    assert not list(root.glob("models/lamps/.*")), "a half-written file was left behind"


def kill_during_modeling(root: Path) -> None:
    """SIGKILL to `dvc repro` and its children once modeling has said its first word."""
    log = root / "repro.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=root, env=environment() | {"PYTHONUNBUFFERED": "1"}, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
        while "pipelines.modeling" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_stage_that_cannot_work_says_so_in_one_paragraph(tmp_path: Path) -> None:
    root = workspace(tmp_path, "lamps")
    town(root)
    for pilot, said in (
        ("lamps", "snapshot.parquet cannot be read"),
        ("nobody", "there is no pilot 'nobody'"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.preparation", "--pilot", pilot],
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_code_that_a_stage_depends_on_is_named_file_by_file() -> None:
    """`trace` compares each with the commit's; DVC hashes a folder as a list of its own."""
    graph = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text("utf-8"))
    named = [
        name.replace("${item}", "flights")
        for stage in graph["stages"].values()
        for name in stage["do"]["deps"]
    ]
    code = [name for name in named if not name.startswith(("data/", "models/", "reports/"))]
    assert code
    assert [name for name in code if not (CHECKOUT / name).is_file()] == []
