"""Names of measures, as MLflow takes them: a site or a group of people may be called anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

# MLflow takes letters, digits and _ - . : / and blanks; a slash or a colon is a path or a drive to some of its stores.
UNNAMEABLE = re.compile(r"[^\w.\- ]")
LONGEST = 250  # characters of a name in MLflow


def metric_name(path: Sequence[str]) -> str:
    """``a.b.c``. Where a part has to be written otherwise, or the whole is too long, a hash of what it was tells it apart.

    The same path has the same name in every run, so that MLflow shows its values as one line.
    """
    name = ".".join(_fitting(part) for part in path)
    return name if len(name) <= LONGEST else _apart(name[: LONGEST - 9], name)


def _fitting(part: str) -> str:
    written = UNNAMEABLE.sub("_", part)
    return part if written == part else _apart(written, part)


def _apart(written: str, meant: str) -> str:
    return f"{written}-{hashlib.sha256(meant.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
