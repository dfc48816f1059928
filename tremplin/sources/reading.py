"""One reading of a pilot's source: where its rows came from, and what it shares while it lasts.

``fetch`` stays a plain function. Whoever takes a snapshot opens a reading around the call; every ``read_...`` of
``tremplin.api`` finds it, in the same thread, and notes its origin there. Outside of one, as in a test or a notebook,
each call is a reading of its own.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tremplin.errors import SourceAway

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Origin:
    """Where rows came from: a line of ``snapshot.json``."""

    kind: Literal["sql", "files", "rest", "package"]
    address: str  # without credentials
    rows: int | None  # None: of files that the pilot's own code reads
    sha256: str  # of the rows as they were delivered, typed, before the pilot's code touched them; of files, of their hashes
    evidence: dict[
        str, Any
    ]  # what the source itself says: the query, sizes and ETags of files, pages and declared total


@dataclass
class Reading:
    """What the calls of one ``fetch`` share."""

    kept: Path | None  # where pages are kept until the snapshot is whole; None: nowhere
    origins: list[Origin] = field(default_factory=list)
    connections: dict[str, Connection] = field(default_factory=dict)  # by URL: one transaction each
    ends: ExitStack = field(default_factory=ExitStack)  # closes them

    def note(
        self, kind: Literal["sql", "files", "rest"], address: str, rows: pa.Table, evidence: dict[str, Any]
    ) -> None:
        """Keep where ``rows`` came from."""
        self.origins.append(
            Origin(kind=kind, address=address, rows=rows.num_rows, sha256=_digest(rows), evidence=evidence)
        )

    def forget(self) -> None:
        """Drop the pages that were kept."""
        if self.kept:
            shutil.rmtree(self.kept, ignore_errors=True)


_current: ContextVar[Reading | None] = ContextVar("reading", default=None)


@contextmanager
def reading(kept: Path | None) -> Iterator[Reading]:
    """Everything that this thread reads inside is one reading; connections are closed at the end.

    What was kept serves who was cut off, or whose source went away. After success it is of no use, and after another
    failure a person mends something: then the source is asked afresh.
    """
    opened = Reading(kept)
    token = _current.set(opened)
    try:
        with opened.ends:
            yield opened
    except SourceAway:
        raise
    except Exception:
        opened.forget()
        raise
    else:
        opened.forget()
    finally:
        _current.reset(token)


@contextmanager
def this_reading() -> Iterator[Reading]:
    """The reading that is open, or one for this call alone."""
    opened = _current.get()
    if opened is not None:
        yield opened
        return
    with reading(None) as own:
        yield own


def _digest(rows: pa.Table) -> str:
    """SHA-256 of names, types and values in order; how the rows were cut into chunks does not matter."""
    import pyarrow as pa

    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: Any) -> int:
            digest.update(data)
            return len(data)

        def flush(self) -> None: ...

    with pa.ipc.new_stream(pa.PythonFile(Sink(), mode="w"), rows.schema) as stream:
        stream.write_table(rows.combine_chunks(), max_chunksize=2**16)
    return digest.hexdigest()
