"""Who is measured, in this order."""

from __future__ import annotations

from benchmarks.contest import (
    bentoml_server,
    litserve_server,
    mlflow_server,
    mlserver_server,
    ray_server,
    tremplin_server,
)
from benchmarks.contest.contestant import Contestant
from benchmarks.contest.noop import NOOP

PEERS = (mlflow_server, mlserver_server, bentoml_server, ray_server, litserve_server)
CONTESTANTS: tuple[Contestant, ...] = (
    NOOP,
    tremplin_server.TREMPLIN,
    *tremplin_server.VARIANTS,
    *(one for peer in PEERS for one in peer.CONTESTANTS),
)
