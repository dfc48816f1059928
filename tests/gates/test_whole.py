"""The longer half of the list, for both pilots. The quick one is in ``test_quick.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gates.judging import listed, meets_its_verdict
from tests.gates.variants import Variant


@pytest.mark.parametrize(("pilot", "variant"), listed(quick=False))
def test_each_is_blocked_for_its_own_reason_or_not_at_all(
    pilot: str, variant: Variant, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    meets_its_verdict(pilot, variant, request, tmp_path)
