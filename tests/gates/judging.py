"""A variant, made and judged; and what a test asks of the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.verdict import Verdict
from tests.gates.variants import PILOTS, VARIANTS, Variant
from tests.results import Result, judged
from tremplin.release import GoNoGo, Manifest, Release, make_keys, write_release

HONEST = {"flights": "honest_result", "support": "residents_result"}  # fixtures


def verdict_on(variant: Variant, honest: Result, folder: Path) -> Verdict:
    """Make the variant in ``folder``, from a copy of the honest result, and judge it."""
    champion = release_of(honest, folder / "champion") if variant.meets_champion else None
    return judged(variant.make(honest.copy(folder / "copy")), champion)


def listed(*, quick: bool) -> list[Any]:
    """Pairs of pilot and variant; those of a pilot share its honest result, so they stay in one process."""
    return [
        pytest.param(pilot, variant, id=f"{pilot}-{variant.name}", marks=pytest.mark.xdist_group(pilot))
        for pilot in PILOTS
        for variant in VARIANTS
        if variant.quick == quick and pilot in variant.pilots
    ]


def meets_its_verdict(pilot: str, variant: Variant, request: pytest.FixtureRequest, folder: Path) -> None:
    """A bad one is blocked by its own check, among others perhaps; an honest one by none."""
    honest: Result = request.getfixturevalue(HONEST[pilot])
    verdict = verdict_on(variant, honest, folder)
    said = "; ".join(f"{check.id}: {check.evidence}" for check in verdict.checks if not check.passed)
    if variant.own:
        assert variant.own in verdict.blocked_by, said
    else:
        assert verdict.blocked_by == [], said


def release_of(result: Result, folder: Path) -> Release:
    """A signed release of the model of a result."""
    digest, as_of = "0" * 64, result.sample.as_of
    go = GoNoGo(
        by="A person", role="product owner", as_of=as_of, stand_in=True,
        journal_hash=digest, lock_hash=digest, verdict_hash=digest, model_hash=digest,
    )  # fmt: skip
    manifest = Manifest(
        pilot=result.sample.pilot, as_of=as_of, model_version=1, mlflow_run="0" * 32, commit="0" * 40, dirty=False,
        data_hash=digest, contract_hash=result.pilot.contract_hash, lock_hash=digest, verdict_hash=digest,
        go_no_go=go, decision_threshold=result.pilot.charter.decision_threshold, files={},
    )  # fmt: skip
    files = {name: result.paths.model / name for name in ("model.onnx", "profile.json")}
    files["contract.yaml"] = result.path("contract.yaml")
    make_keys(folder / "a.key", folder / "a.pub")
    return write_release(folder / "releases", files, manifest, folder / "a.key")
