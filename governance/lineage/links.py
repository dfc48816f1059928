"""The links of a trace, and how they are shown."""

from __future__ import annotations

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
