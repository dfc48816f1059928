"""Can the model be made again: before a first go-live it was, to the byte."""

from __future__ import annotations

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check


def reproducibility(material: Material) -> Check:
    """A model that nobody can make again answers nobody: asked of the first one, and of others by `tremplin reproduce`."""
    value, passed, said = _judged(material)
    return Check(
        id="reproducibility",
        requirement="Before a first go-live: files that came out otherwise when the model was made again from dvc.lock",
        value=value,
        limit=0,
        passed=passed,
        evidence=said,
        source="dvc.lock and its inputs, in an empty folder; models/ and the report of its stage",
    )


def _judged(material: Material) -> tuple[float | None, bool, str]:
    if material.remade is None:
        if material.champion:
            return None, True, "a champion is live: on request, by `tremplin reproduce`"
        return None, False, "no model is live yet, and this one was not made again: `tremplin run` does it"
    found = material.remade()
    if found.fault:
        return None, False, f"it cannot be made again: {found.fault}"
    if found.differing:
        names = ", ".join(found.differing)
        return (
            len(found.differing),
            False,
            f"{len(found.differing)} of {found.compared} files differ: {names}",
        )
    return 0, found.compared > 0, f"{found.compared} files made again from dvc.lock, byte for byte"


CHECKS: list[CheckFunction] = [reproducibility]
