"""The gate's checks, one file a family, each with its `CHECKS`. Another family is another file and its name in this list."""

from __future__ import annotations

from pipelines.gate.checks import calibration, data, leakage, operation, quality, sites
from pipelines.gate.material import CheckFunction

FAMILIES = (data, leakage, quality, sites, calibration, operation)  # in the order of the verdict's lines

ALL: list[CheckFunction] = [check for family in FAMILIES for check in family.CHECKS]
