"""What is known of a contestant before it runs. Imported in every contestant's environment: the standard library alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

# What the pipeline was made with; every peer loads the same file.
MODEL = ("scikit-learn==1.9.1", "lightgbm==4.7.0", "numpy==2.4.6", "onnxruntime==1.32.0")
PANDAS = "pandas==3.0.6"


def plain_body(row: Row) -> bytes:
    """The row as an object."""
    return json.dumps(row).encode()


@dataclass(frozen=True)
class Contestant:
    """One server in one form.

    ``prepare`` and ``command`` are arguments of the environment's Python or of a program in its ``bin``; ``{port}``, ``{world}``
    (a folder, see ``benchmarks.contest.world``) and ``{home}`` (an empty folder of this start) are filled in.
    """

    name: str
    form: str  # how it is set up, for a reader
    command: Sequence[str]
    path: str  # of one prediction, by POST
    score: Callable[[Any], float] | None  # from the decoded answer; None: it does not predict
    body: Callable[[Row], bytes] = plain_body
    packages: Sequence[str] = ()  # of an environment of its own; none: the one that runs this
    ready: str = "/"  # answers 200 to GET once predictions can be asked for
    prepare: Sequence[str] = ()  # run once, before the first start
    variables: Mapping[str, str] = field(default_factory=dict)
    validates: bool = True  # whether a wrong type is to be refused; the default forms take what comes
    home: str = ""  # a folder of the world that {home} begins as a copy of
    authorized: bool = False  # whether requests carry the caller's API key

    @property
    def environment(self) -> str:
        """The name of its environment: that of its first package."""
        return self.packages[0].split("=")[0].split("[")[0] if self.packages else ""
