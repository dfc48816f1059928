"""DVC in one place: track the snapshot, reproduce the graph, ask whether anything changed.

DVC knows how files become a model; no stage is named here, only the pilot whose stages are asked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.mending import keep_lock, mend
from tremplin.errors import TremplinError
from tremplin.paths import Paths


def is_reproduced(paths: Paths) -> bool:
    """Whether every stage of the pilot, and its snapshot, are as ``dvc.lock`` says: nothing is to be done."""
    mend(paths)
    tracked = paths.snapshot.with_name(paths.snapshot.name + ".dvc")
    if not all(path.exists() for path in (paths.root / "dvc.lock", paths.snapshot, tracked)):
        return False
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(paths.root)) as repo:
            own = [s.addressing for s in repo.index.stages if s.addressing.partition("@")[2] == paths.pilot]
            status: dict[str, Any] = repo.status(targets=own)
    except DvcException as error:
        raise _readable(str(error), paths) from error
    return not status


def track_snapshot(paths: Paths) -> None:
    """``dvc add`` the snapshot: from here on it is named by its hash."""
    _dvc(paths, "add", "--quiet", str(paths.snapshot.relative_to(paths.root)))


def reproduce(paths: Paths) -> None:
    """``dvc repro`` of the pilot's graph; the stages' progress goes to the console.

    Raises:
        TremplinError: a stage failed; what it said is on the console, nothing that was there before is lost.
    """
    _dvc(paths, "repro", "--quiet", "--glob", _stages(paths))
    keep_lock(paths)


def reproduce_all(paths: Paths) -> None:
    """``dvc repro`` of the pilot's graph in which every stage runs, whatever is known of it already."""
    _dvc(paths, "repro", "--quiet", "--force", "--glob", _stages(paths))


def fetch(paths: Paths, tracked: Path) -> None:
    """Bring the data that ``tracked`` names, from DVC's cache or else from its remote.

    Raises:
        TremplinError: neither has it.
    """
    try:
        _dvc(paths, "pull", "--quiet", str(tracked.relative_to(paths.root)))
    except TremplinError as error:
        raise TremplinError(
            f"{tracked.with_suffix('').relative_to(paths.root)} is neither in DVC's cache nor on its remote. "
            f"Whoever has it brings it with `dvc push`. {error}"
        ) from error


def _stages(paths: Paths) -> str:
    return f"*@{paths.pilot}"


def _dvc(paths: Paths, *arguments: str) -> None:
    """Run DVC in a process of its own: it changes signal handlers and working folders."""
    mend(paths)
    environment = (
        os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # the stages' `python`
            "DVC_NO_ANALYTICS": "true",
        }
    )
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(
        command, cwd=paths.root, env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise _readable(done.stderr, paths)


def _readable(said: str, paths: Paths) -> TremplinError:
    said = said.strip()
    if "lock" in said.lower() and "another" in said.lower():
        return TremplinError(
            f"Another DVC command is running in {paths.root}. Wait until it is done. DVC said: {said}"
        )
    if not said:  # under --quiet it keeps what it finds wrong with dvc.yaml and the parameters to itself
        said = f"nothing; `dvc repro --glob '{_stages(paths)}'` there says why"
    return TremplinError(
        f"`dvc` stopped in {paths.root}. It said:\n{said}\nMend that and run again: finished stages are kept."
    )
