"""Who a caller is and what it may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Kind = Literal["anonymous", "key", "token"]


class Role(StrEnum):
    """What a caller may do; one implies no other."""

    PREDICT = "predict"  # ask for answers
    EXPLAIN = "explain"  # ask why an answer was given
    OUTCOME = "outcome"  # say what became true
    REVIEW = "review"  # confirm or override an answer
    OPERATE = "operate"  # read the metrics
    AUDIT = "audit"  # read what was answered before


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request comes from."""

    identity: str  # of an API key its id, of a token `token:` and its subject; of nobody `anonymous`
    kind: Kind
    roles: frozenset[Role]
    counted: str = field(default="", repr=False, compare=False)  # what its rate limit counts by
