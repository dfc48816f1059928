"""Errors for people: what was wrong, where, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class TremplinError(Exception):
    """An error that the command line shows as one readable paragraph, without a traceback."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a file that a person wrote."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.message}"


class ConfigurationError(TremplinError):
    """Every fault of a pilot's files, named at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{count} to mend:\n" + "\n".join(f"  {fault}" for fault in self.faults))


class ContractBreach(TremplinError):
    """Data that is not what the contract says it is."""


class SourceAway(TremplinError):
    """A source that did not answer; it may the next time."""


class ReleaseRefused(TremplinError):
    """A release that is altered, unsigned, incomplete or of another pilot."""
