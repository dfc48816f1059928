"""Phase 5 of CRISP-ML(Q), go or no-go: what is between a model and its release.

Requirement: only a model that is honest, better than what exists, fair to sites, calibrated and exported as trained goes on.
Risk: a leak, stale or overlapping data, or a broken export looks like a good model in a report.
Quality method: everything is computed again from the rows and the model files; no report is believed. Each check alone blocks.
Evidence: the verdict, its hash in the journal and in the release.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from pipelines.gate import checks
from pipelines.gate.checks.coverage import segments
from pipelines.gate.checks.fairness import gaps
from pipelines.gate.gathering import ChampionModel, gather
from pipelines.remaking import Remade
from pipelines.verdict import Verdict
from tremplin.paths import Paths
from tremplin.pilot import Pilot
from tremplin.release import sha256
from tremplin.settings import Settings

__all__ = ["ChampionModel", "gate"]


def gate(
    pilot: Pilot,
    paths: Paths,
    *,
    champion: ChampionModel | None,
    as_of: datetime,
    settings: Settings,
    look: int = 1,
    remade: Callable[[], Remade] | None = None,
) -> Verdict:
    """Judge the model under ``paths``. Reads files and writes nothing.

    Args:
        settings: where it runs: what is tolerated in development is not outside of it.
        look: 1 for the first model that is judged on these evaluation days, 2 for the next...: see ``checks.quality``.
        remade: waits for what came of making the model again; None: nobody did, and nothing goes live first so.

    Raises:
        TremplinError: a file of the result is missing or cannot be read. (What is only bad is a check that blocks.)
    """
    material = gather(pilot, paths, settings, champion=champion, as_of=as_of, look=look, remade=remade)
    with ThreadPoolExecutor(pilot.file.model.threads) as pool:
        found = list(pool.map(lambda check: check(material), checks.ALL))
    return Verdict(
        pilot=pilot.name,
        as_of=as_of,
        passed=all(check.passed for check in found),
        model_hash=sha256(paths.model / "model.onnx"),
        champion=champion.release.id if champion else None,
        checks=found,
        coverage=segments(material),
        fairness=gaps(material),
    )
