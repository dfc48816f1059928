"""The real console script in a process of its own, and a small checkout for it to work in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from tests.pipelines.lamp_town import Town, town
from tremplin.workspace import make_workspace

CHECKOUT = Path(__file__).parent.parent
SCRIPT = Path(sys.executable).with_name("tremplin")
AS_OF = "2024-05-01T00:00+00:00"  # of the lamps


def environment(**variables: str) -> dict[str, str]:
    """Of this process, without anything that would point to another store or registry."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("TREMPLIN_", "PREFECT_", "MLFLOW_")) and k != "PILOT"
    }
    return kept | {"COLUMNS": "200"} | variables


def tremplin(root: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``tremplin WORDS`` in ``root``, to its end."""
    return subprocess.run(
        [SCRIPT, *words],
        cwd=root,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def start(root: Path, *words: str, log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """``tremplin WORDS`` in ``root`` and in a process group of its own; what it says goes to ``log``."""
    with log.open("wb") as sink:
        return subprocess.Popen(
            [SCRIPT, *words],
            cwd=root,
            env=environment(PYTHONUNBUFFERED="1", **variables),
            stdout=sink,
            stderr=sink,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_as_in_a_terminal,  # noqa: PLW1509  (no other thread runs in the process of a test)
        )


def _as_in_a_terminal() -> None:
    """A test run in the background inherits that Ctrl-C is ignored; the command under test must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def lamp_checkout(root: Path) -> Town:
    """The project's code with `lamps` as its only pilot, and a DVC cache of its own: a checkout as a person would have it."""
    make_workspace(CHECKOUT, root)
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n", "utf-8")
    shutil.rmtree(root / "pilots")
    graph = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))
    graph["vars"] = [{"pilots": ["lamps"]}]
    (root / "dvc.yaml").write_text(yaml.safe_dump(graph), "utf-8")
    return town(root)


def copy_of(town: Town, root: Path) -> Town:
    """The same checkout elsewhere, with its state; MLflow's artifacts stay where they are."""
    shutil.copytree(town.root, root, ignore=shutil.ignore_patterns("mlartifacts", "__pycache__"))
    return Town(root)


def begun(town: Town, root: Path, empty_mlflow: Path) -> Town:
    """A checkout before its first run, with the empty databases that Prefect and MLflow take long to make."""
    made = lamp_checkout(root)
    home = root / ".tremplin"
    shutil.copytree(town.root / ".tremplin" / "prefect", home / "prefect")
    shutil.copy(empty_mlflow, home / "mlflow.db")
    return made
