"""One JSON text and one hash for the same facts, wherever they are written or verified."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(facts: Any) -> bytes:
    """JSON with sorted keys, no spaces and no NaN, as UTF-8.

    Raises:
        ValueError: a number is not finite; it has no form in JSON.
    """
    return json.dumps(
        facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(facts: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(facts)).hexdigest()
