"""The model made again in an empty folder, of what ``dvc.lock`` says it was made of: the same bytes, or which files differ.

Requirement: before a first go-live a model is known to come again from its lock; afterwards whoever doubts asks (`reproduce`).
Risk: a seed of the clock, a file that the lock does not know, a model that was edited after its training.
Quality method: the code and the recorded inputs are copied to an empty folder and the recorded command runs there, with no DVC
that could restore anything; every file that it makes is compared with the one that is judged, and all of them with the lock.
Evidence: the gate's check `reproducibility`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tremplin.contract import Strict
from tremplin.errors import TremplinError
from tremplin.lock import md5_by_dvc, read_stages
from tremplin.paths import Paths
from tremplin.workspace import code_files, copy_code

SAID = 400  # characters of what a command said last, which an error keeps


class Remade(Strict):
    """What came of it."""

    compared: int  # files
    differing: list[str]  # paths of those that came out otherwise, are missing, or are not the lock's
    fault: str | None = None  # why it could not be made again at all


class Remaking:
    """A model that is being made again, in a process of its own that gives way to others."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        # In the workspace itself, so that what a killed run left is found and thrown away.
        self._folder = paths.root / ".tremplin" / "again" / paths.pilot
        self._log = self._folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._entry = _maker(paths)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._changed = self._bring_inputs()
        if not self._changed:
            self._process = self._start()

    def __call__(self) -> Remade:
        """What came of it, once it is done."""
        if self._process is None:
            return Remade(
                compared=0,
                differing=[],
                fault=f"{', '.join(self._changed)} changed or missing since dvc.lock was written",
            )
        if code := self._process.wait():
            said = self._log.read_text("utf-8", errors="replace").strip()[-SAID:]
            return Remade(compared=0, differing=[], fault=f"`{self._entry['cmd']}` ended with {code}: {said}")
        there, again = self._files(self._paths.root), self._files(self._folder)
        differing = [path for path in sorted({*there, *again}) if there.get(path) != again.get(path)]
        of_lock = {out["path"]: out["md5"] for out in self._entry["outs"]}
        differing += [
            f"{path} of dvc.lock"
            for path, md5 in of_lock.items()
            if md5_by_dvc(self._folder / path) != md5 and not any(name.startswith(path) for name in differing)
        ]
        return Remade(compared=len(there), differing=differing)

    def stop(self) -> None:
        """End it where it is still going on, and leave nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    def _bring_inputs(self) -> list[str]:
        """Copy code and recorded inputs; those that are not what the lock says."""
        root, inputs = self._paths.root, {item["path"]: item["md5"] for item in self._entry["deps"]}
        copy_code(root, self._folder, code_files(root))
        for path in inputs:
            source, target = root / path, self._folder / path
            if source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            elif source.is_dir():
                shutil.copytree(
                    source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
        return sorted(path for path, md5 in inputs.items() if md5_by_dvc(self._folder / path) != md5)

    def _start(self) -> subprocess.Popen[bytes]:
        path = (
            f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # the command's `python`
        )
        with self._log.open("wb") as log:
            return subprocess.Popen(
                ["nice", "sh", "-c", f"exec {self._entry['cmd']}"],
                cwd=self._folder, env=os.environ | {"PATH": path}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _files(self, root: Path) -> dict[str, bytes]:
        """Every file that the command makes, by its path."""
        found = {}
        for out in self._entry["outs"]:
            top = root / out["path"]
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file():
                    found[path.relative_to(root).as_posix()] = path.read_bytes()
        return found


@contextmanager
def made_again(paths: Paths) -> Iterator[Remaking]:
    """The model under ``paths`` is made again beside what is done inside; call what is given for what came of it.

    Raises:
        TremplinError: there is no ``dvc.lock``, or no stage in it made the model.
    """
    remaking = Remaking(paths)
    try:
        yield remaking
    finally:
        remaking.stop()


def _maker(paths: Paths) -> dict[str, Any]:
    """The entry of the stage that made the model, whatever its name."""
    model = paths.model.relative_to(paths.root).as_posix()
    for entry in read_stages(paths.root, paths.pilot).values():
        if any(out["path"] == model for out in entry.get("outs", [])):
            return dict(entry)
    raise TremplinError(
        f"No stage of {paths.pilot} in {paths.root / 'dvc.lock'} makes {model}. Run `dvc repro`."
    )
