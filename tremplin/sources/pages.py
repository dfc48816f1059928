"""Pages that were read, kept aside until the snapshot is whole: a run that was cut off goes on from the last one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Page:
    """One page: the declared columns of its rows, and what tells whether it is still the same."""

    url: str
    rows: list[list[Any]]
    seen: list[str]  # columns that at least one of its rows has
    total: int | None  # rows of the whole collection, as declared on this page
    version: str | None  # of the whole collection, as declared on this page
    etag: str | None  # of this page
    following: str | None  # URL of the next page

    def same_as(self, other: Page) -> bool:
        """Whether the service says of this page what it said before; a link to the next page may be renewed."""
        return (self.rows, self.total, self.version) == (other.rows, other.total, other.version)


class KeptPages:
    """Files ``00000.json``, ... in a folder of one request's own; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None, request: dict[str, Any]) -> None:
        identity = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
        self.folder = folder / identity[:32] if folder else None

    def load(self) -> list[Page]:
        """The pages from the first to the last that is whole."""
        pages: list[Page] = []
        while self.folder and (path := self._path(self.folder, len(pages))).is_file():
            try:
                pages.append(Page(**json.loads(path.read_bytes())))
            except (ValueError, TypeError):
                break
        return pages

    def keep(self, number: int, page: Page) -> None:
        """The file appears whole or not at all."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{number}.{os.getpid()}"
        draft.write_text(json.dumps(asdict(page)), "utf-8")
        draft.replace(self._path(self.folder, number))

    def clear(self) -> None:
        """Nothing of it can be used."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _path(folder: Path, number: int) -> Path:
        return folder / f"{number:05}.json"
