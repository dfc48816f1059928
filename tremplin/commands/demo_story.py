"""How the demo is told: chapters with their seconds, and a line at least every two seconds while something works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

QUIET_SECONDS = 2.0  # a reader is not left longer without a word where there is news
WAITING_SECONDS = 10.0  # ... nor longer than this where there is none


class Story:
    """Chapters on the console, and how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.begun = time.perf_counter()
        self.seconds: list[tuple[str, float]] = []
        self._last_word = 0.0

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """A numbered part of the story."""
        number = len(self.seconds) + 1
        self.console.print(f"\n{number:>2}  {title}", style="bold cyan")
        begun = self._last_word = time.perf_counter()
        yield
        taken = time.perf_counter() - begun
        self.seconds.append((title, taken))
        self.console.print(f"    {taken:.1f} s", style="dim")

    def tell(self, text: str, *more: str | Text, style: str = "") -> None:
        """A line of the story, in one piece or in several of which some are styled."""
        words = text.lstrip()
        line = Text.assemble(words, *more, style=style)
        self.console.print(
            Padding(line, (0, 0, 0, 4 + len(text) - len(words)))
        )  # wrapped lines stay below their first
        self._last_word = time.perf_counter()

    def progress(self, what: str, every: float = QUIET_SECONDS) -> None:
        """A line only if none was said for ``every`` seconds."""
        if time.perf_counter() - self._last_word >= every:
            self.tell(what, style="dim")

    def replayed(self, done: int, of: int) -> None:
        """Progress of a replay."""
        self.progress(f"{done:,} of {of:,} rows answered")

    def times(self) -> Table:
        """The seconds of every chapter."""
        table = Table("chapter", "seconds", title="Where the time went", title_justify="left")
        for title, taken in self.seconds:
            table.add_row(title, f"{taken:.1f}")
        table.add_row("all of it", f"{time.perf_counter() - self.begun:.1f}", style="bold")
        return table
