"""The links of a trace, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tremplin.contract import Strict

if TYPE_CHECKING:
    from rich.table import Table


class Link(Strict):
    """One step of the way."""

    name: str
    value: str
    verified: bool | None  # None where there is nothing to verify against
    detail: str


def compared(
    name: str, value: str, found: str, *, wrong: Sequence[str | None], unknown: Sequence[str | None] = ()
) -> Link:
    """A link of several comparisons: one that failed breaks it, and one that could not be made leaves it unverified.

    Args:
        found: what was compared, said where all of it holds.
        wrong: of each comparison what is wrong, None where it holds.
        unknown: of each that may have nothing to compare with, why it has not; None where it has.
    """
    failed, unmade = ([said for said in each if said] for each in (wrong, unknown))
    detail = "; ".join(failed or unmade) or found
    return Link(name=name, value=value, verified=False if failed else None if unmade else True, detail=detail)


class Trace(Strict):
    """All steps, from the answer to its outcome."""

    prediction: str
    links: list[Link]

    @property
    def broken(self) -> list[str]:
        """Names of the links that do not hold."""
        return [link.name for link in self.links if link.verified is False]

    @property
    def unbroken(self) -> bool:
        """Whether every link that can be verified holds."""
        return not self.broken

    def table(self) -> Table:
        """A table for the console."""
        from rich.table import Table
        from rich.text import Text

        styles = {True: ("verified", "green"), False: ("BROKEN", "bold red"), None: ("-", "dim")}
        table = Table(title=f"Trace of {self.prediction}")
        for heading in ("link", "value", "", "how it was verified"):
            table.add_column(heading, overflow="fold")  # a hash is shown whole, to be copied
        for link in self.links:
            said, style = styles[link.verified]
            table.add_row(Text(link.name), Text(link.value), Text(said, style=style), Text(link.detail))
        return table
