"""This server, whole: validation, cohort, prediction, range check, durable log, metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.contest.contestant import Contestant


def score(answer: Any) -> float:
    """The probability of one row's answer."""
    return float(answer["score"])


TREMPLIN = Contestant(
    name="tremplin",
    form="whole; each answer is on the disk before it leaves (fsync of a group)",
    command=("python", "-m", "serving"),
    path="/predict",
    score=score,
    ready="/readyz",
    home="home",
    variables={
        "TREMPLIN_PORT": "{port}",
        "TREMPLIN_HOME": "{home}",
        "TREMPLIN_RELEASES": "{world}/releases",
        "TREMPLIN_RELEASE_PUBLIC_KEY": "{world}/release.pub",
    },
)
VARIANTS = (
    replace(
        TREMPLIN, name="tremplin interval", form="whole; fsync ten times a second",
        variables={**TREMPLIN.variables, "TREMPLIN_SPOOL_FSYNC": "interval"},
    ),
    replace(
        TREMPLIN, name="tremplin never", form="whole; the kernel decides when it is on the disk",
        variables={**TREMPLIN.variables, "TREMPLIN_SPOOL_FSYNC": "never"},
    ),
    replace(
        TREMPLIN, name="tremplin guarded", form="whole; an API key and a rate limit in memory", home="keys-home", authorized=True,
        variables={**TREMPLIN.variables, "TREMPLIN_RATE_LIMIT": "100000000/minute"},
    ),
)  # fmt: skip
