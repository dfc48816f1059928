"""Whether the pages of a list contradict each other."""

from __future__ import annotations

from typing import Any

from tremplin.errors import TremplinError
from tremplin.sources.credentials import shown
from tremplin.sources.pages import Page


class Moved(Exception):
    """Pages that cannot be of one state of the list."""


class Consistency:
    """Whether pages, added one after another, can be of one state of the list."""

    def __init__(self, columns: list[str], keys: list[str], *, stops_at_total: bool) -> None:
        self.columns = columns
        self.keys = keys
        self.places = [columns.index(key) for key in keys]
        self.stops_at_total = stops_at_total  # no page marks the end where a total is declared
        self.count = 0
        self.first: Page | None = None
        self.last: Page | None = None
        self.known: set[tuple[Any, ...]] = set()
        self.seen: set[str] = set()
        self.urls: set[str] = set()

    def add(self, page: Page) -> None:
        if self.first is None:
            self.first = page
        for what, then, now in (
            ("total", self.first.total, page.total),
            ("version", self.first.version, page.version),
        ):
            if then != now:
                raise Moved(f"its {what} was {then} and is {now}")
        for row in page.rows:
            key = tuple(row[place] for place in self.places)
            if None in key:
                raise TremplinError(f"{shown(page.url)} holds a row without a key ({self._named(key)}).")
            if nested := [
                name for name, part in zip(self.keys, key, strict=True) if isinstance(part, list | dict)
            ]:
                raise TremplinError(
                    f"{shown(page.url)}: the key {', '.join(nested)} is a list or an object in a row, and names none. Name a "
                    "field of one value; dots go into objects."
                )
            if key in self.known:
                raise Moved(f"the row {self._named(key)} came twice")
            self.known.add(key)
        if page.url in self.urls:
            raise TremplinError(
                f"{shown(page.url)}: its next page leads back to one that was read. Check the paging."
            )
        self.urls.add(page.url)
        self.seen.update(page.seen)
        self.count += len(page.rows)
        self.last = page

    def following(self) -> str | None:
        """URL of the page that is still to be read."""
        assert self.last is not None
        total = self.last.total
        if self.stops_at_total and total is not None and self.count >= total:
            return None
        return self.last.following

    def require_whole(self, url: str) -> None:
        """The number of rows is the declared one, and every declared column was there."""
        assert self.last is not None
        if self.last.total is not None and self.count != self.last.total:
            raise Moved(f"it declares {self.last.total:,} rows and handed out {self.count:,}")
        if self.count and (missing := [name for name in self.columns if name not in self.seen]):
            raise TremplinError(f"{shown(url)}: no row has a field {', '.join(missing)}.")

    def _named(self, key: tuple[Any, ...]) -> str:
        return ", ".join(
            f"{self.columns[place]}={value}" for place, value in zip(self.places, key, strict=True)
        )
