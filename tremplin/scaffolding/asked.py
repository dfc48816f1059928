"""What the command line asked for, before anything is known of the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """Names of columns as the file or the contract has them; None: to be found."""

    target: str | None = None
    above: float | None = None
    time: str | None = None
    key: tuple[str, ...] = ()
    site: str | None = None
    subject: str | None = None
    label_after: str | None = None
    label_time: str | None = None
