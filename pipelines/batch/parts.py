"""What was answered of a file so far: a folder beside the output with one file a chunk, each whole or not there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from tremplin.draft import draft_of
from tremplin.errors import TremplinError

BEGUN = "begun.json"

Answers = dict[str, Any]


class Parts:
    """The folder, held by this process alone."""

    def __init__(self, folder: Path, task: dict[str, Any]) -> None:
        self.folder = folder
        self.resumed = folder.joinpath(BEGUN).is_file() and from_json((folder / BEGUN).read_bytes()) == task
        if not self.resumed:
            for left in folder.glob("*.json"):
                left.unlink()
            _write(folder / BEGUN, to_json(task))

    def has(self, number: int) -> bool:
        """Whether a chunk was answered."""
        return self._place(number).is_file()

    def keep(self, number: int, answers: Answers) -> None:
        """Keep the answers to a chunk; on return they survive a power cut."""
        _write(self._place(number), to_json(answers, inf_nan_mode="null"))

    def read(self, number: int) -> Answers:
        """What was kept of a chunk."""
        kept: Answers = from_json(self._place(number).read_bytes())
        return kept

    def all(self) -> Iterator[Answers]:
        """Everything, in the order of the file."""
        for number in range(len(list(self.folder.glob("part-*.json")))):
            yield self.read(number)

    def _place(self, number: int) -> Path:
        return self.folder / f"part-{number:08}.json"


@contextmanager
def parts_of(output: Path, task: dict[str, Any]) -> Iterator[Parts]:
    """The parts of ``output``: what an earlier run of the same ``task`` left, or none. They go once the block has ended well.

    Raises:
        TremplinError: another process is at it.
    """
    folder = output.with_name(f".{output.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TremplinError(
                f"Another process is writing {output}: wait for it, or name another --output."
            ) from None
        yield Parts(folder, task)
        shutil.rmtree(folder)
    finally:
        os.close(held)


def _write(path: Path, content: bytes) -> None:
    draft = draft_of(path)
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
