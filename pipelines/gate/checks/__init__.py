"""The gate's checks, one file a family, each with its `CHECKS`. Another family is another file and its name in this list."""

from __future__ import annotations

from pipelines.gate.checks import (
    availability,
    calibration,
    completeness,
    coverage,
    data,
    fairness,
    leakage,
    near_duplicates,
    operation,
    outliers,
    poisoning,
    privacy,
    quality,
    representativeness,
    reproducibility,
    robustness,
    sites,
)  # fmt: skip
from pipelines.gate.material import CheckFunction

# In the order of the verdict's lines.
FAMILIES = (
    data, near_duplicates, completeness, representativeness, outliers, poisoning, leakage, availability, quality, sites, coverage,
    fairness, calibration, robustness, privacy, operation, reproducibility,
)  # fmt: skip

ALL: list[CheckFunction] = [check for family in FAMILIES for check in family.CHECKS]
