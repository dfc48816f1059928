"""Who is measured, in this order."""

from __future__ import annotations

from benchmarks.contest import mlflow_server, tremplin_server
from benchmarks.contest.contestant import Contestant
from benchmarks.contest.noop import NOOP

CONTESTANTS: tuple[Contestant, ...] = (
    NOOP,
    tremplin_server.TREMPLIN,
    *tremplin_server.VARIANTS,
    *mlflow_server.CONTESTANTS,
)
