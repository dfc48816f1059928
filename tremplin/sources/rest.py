"""Rows of a service that hands out a long list page by page: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tremplin.errors import SourceAway, TremplinError
from tremplin.sources import columns as declared
from tremplin.sources.asking import Patience, ask
from tremplin.sources.columns import Columns
from tremplin.sources.consistency import Consistency, Moved
from tremplin.sources.credentials import from_environment, refuse_credentials_in, shown
from tremplin.sources.pages import KeptPages, Page
from tremplin.sources.paging import Absent, Answer, Paging, Unmarked, dig, require_same_host
from tremplin.sources.reading import this_reading

if TYPE_CHECKING:
    import httpx
    import pandas as pd

HEADER = "header:"


def read_rest(
    url: str,
    *,
    paging: Paging,
    columns: Columns,
    key: str | Sequence[str],
    params: Mapping[str, str | int | datetime] | None = None,
    rows: str = "",
    total: str | None = None,
    version: str | None = None,
    secret_headers: Mapping[str, str] | None = None,
    timezone: str | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
    first_wait: float = 1.0,
) -> pd.DataFrame:
    """All rows of a paged list, in its order.

    Pages are kept aside while a snapshot is taken, so that a run that was cut off goes on from the last one, after it has
    asked whether those it has are still the same. Where pages contradict each other nothing is delivered.

    Args:
        url: of the list.
        paging: ``PageNumber``, ``Offset``, ``Cursor``, ``NextLink`` or ``LinkHeader``.
        columns: the fields that are delivered (dots go inwards) and their types: string, number, integer, boolean, timestamp.
        key: the field, or fields, that no two rows share: a row that comes twice shows that pages moved while they were read.
        params: of the first request, such as the window; times are written in UTC (``2024-05-01T00:00:00Z``).
        rows: where the list is in the body, such as ``data.items``; "" where the body is the list.
        total: where a page declares the number of all rows: a field such as ``meta.total``, or ``header:X-Total-Count``.
        version: where a page declares the state of the whole list, likewise.
        secret_headers: headers and the environment variables that hold them: ``{"Authorization": "CITY_AUTHORIZATION"}``.
        timezone: the zone that times without one are local to; None refuses them.
        timeout: seconds for one page.
        attempts: how often one page is asked for.
        first_wait: seconds before the second attempt; they double, less a random half. ``Retry-After`` is honoured.

    Raises:
        SourceAway: no connection, too slow, cut short, 429 or 5xx after all attempts; or the list changed while it was read.
        TremplinError: another refusal of the service, a variable, a field or a value must be mended by a person.
    """
    import httpx
    import pyarrow as pa

    declared.require_columns(columns, timezone)
    refuse_credentials_in(url)
    keys = [key] if isinstance(key, str) else list(key)
    if strange := [name for name in keys if name not in columns]:
        raise TremplinError(f"key: {', '.join(strange)} must be among the columns.")
    headers = {
        name: from_environment(variable, f"the header {name}")
        for name, variable in (secret_headers or {}).items()
    }
    first = str(
        httpx.URL(url).copy_merge_params({name: _written(value) for name, value in (params or {}).items()})
    )
    asked = _List(paging.begin(first), paging, columns, rows, total, version)
    with this_reading() as reading:
        kept = KeptPages(reading.kept, {"list": asked, "key": keys})
        with httpx.Client(headers={"Accept": "application/json", **headers}, timeout=timeout) as client:
            service = _Service(client, Patience(attempts, first_wait, timeout), list(headers.values()), asked)
            try:
                pages = _all_pages(service, kept, keys)
            except Moved as moved:
                kept.clear()
                raise SourceAway(
                    f"{shown(url)} changed while it was read: {moved}. Nothing of it is used; try again, at a quieter time."
                ) from None
        tables = [declared.schema(columns).empty_table()]
        tables += [
            declared.from_python(page.rows, columns, timezone, f"page {number} of {shown(url)}")
            for number, page in enumerate(pages, 1)
        ]
        table = pa.concat_tables(tables)
        evidence = {
            "request": first, "pages": len(pages), "total": pages[-1].total, "version": pages[-1].version,
            "end": "declared total" if total else "the last page's own mark",
        }  # fmt: skip
        reading.note("rest", shown(url), table, evidence)
    return declared.to_frame(table)


@dataclass(frozen=True)
class _List:
    """What identifies the list that is read."""

    first: str
    paging: Paging
    columns: Columns
    rows: str
    total: str | None
    version: str | None


@dataclass(frozen=True)
class _Service:
    client: httpx.Client
    patience: Patience
    secrets: list[str]
    asked: _List

    def page(self, url: str, *, followed: bool, etag: str | None = None) -> Page | None:
        """One page; None where it still has this ``etag``."""
        require_same_host(url, self.asked.first)
        answer = ask(self.client, url, self.patience, self.secrets, etag)
        return None if answer is None else _page(answer, self.asked, followed)


def _all_pages(service: _Service, kept: KeptPages, keys: list[str]) -> list[Page]:
    """From the first page to the last, those that were kept included if they still hold."""
    pages = _still_true(service, kept.load())
    if not pages:
        kept.clear()
    check = Consistency(list(service.asked.columns), keys, stops_at_total=service.asked.paging.counts)
    for page in pages:
        check.add(page)
    url = check.following() if pages else service.asked.first
    while url:
        fresh = service.page(url, followed=bool(pages))
        assert fresh is not None  # no ETag was sent
        check.add(fresh)
        kept.keep(len(pages), fresh)
        pages.append(fresh)
        url = check.following()
    check.require_whole(service.asked.first)
    return pages


def _still_true(service: _Service, pages: list[Page]) -> list[Page]:
    """The pages that were kept, if the service still says the same of the first, the last, and each that has an ETag."""
    ends = {0, len(pages) - 1}
    for number, page in enumerate(pages):
        if number in ends or page.etag:
            now = service.page(page.url, followed=number > 0, etag=page.etag) or page
            if not now.same_as(page):
                return []
            pages[number] = now  # a cursor or a signed link may have been renewed
    return pages


def _page(answer: Answer, asked: _List, followed: bool) -> Page:
    place = shown(answer.url)
    try:
        found = dig(answer.body, asked.rows)
    except Absent:
        raise TremplinError(
            f"{place}: the body has no field {asked.rows} where the rows should be."
        ) from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise TremplinError(
            f"{place}: {asked.rows or 'the body'} is not a list of objects. Name the field with rows=..."
        )
    seen: set[str] = set()
    rows = [[_value(row, name, seen) for name in asked.columns] for row in found]
    declared_total = _declared(answer, asked.total, "total")
    try:
        total = None if declared_total is None else int(declared_total)
    except ValueError:
        raise TremplinError(
            f"{place}: the total {asked.total} is {declared_total!r}, not a number."
        ) from None
    try:
        following = asked.paging.after(answer, len(found), followed)
    except Unmarked as error:
        if total is None:
            raise TremplinError(
                f"{place}: nothing says whether this is the last page: {error}. Name where the total is declared with "
                "total=..., or another paging."
            ) from None
        following = None
    version = _declared(answer, asked.version, "version")
    return Page(answer.url, rows, sorted(seen), total, version, answer.headers.get("etag"), following)


def _value(row: dict[str, Any], name: str, seen: set[str]) -> Any:
    try:
        value = dig(row, name)
    except Absent:
        return None
    seen.add(name)
    return value


def _declared(answer: Answer, place: str | None, what: str) -> str | None:
    """What a page declares in a header or a field of its body."""
    if place is None:
        return None
    try:
        if place.startswith(HEADER):
            return str(answer.headers[place.removeprefix(HEADER)])
        return str(dig(answer.body, place))
    except (Absent, KeyError):
        raise TremplinError(f"{shown(answer.url)} declares no {what}: there is no {place}.") from None


def _written(value: str | int | datetime) -> str | int:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise TremplinError(
            f"The parameter {value} has no time zone; fetch() is given aware times: pass them on."
        )
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
