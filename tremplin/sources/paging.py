"""Five ways in which a service hands out a long list: how the next page is asked for, and what marks the last one.

A page is asked for by one URL. ``after`` gives the URL of the page behind one, None behind the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urljoin

from tremplin.errors import TremplinError

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Answer:
    """One answer of the service: JSON, headers and the links of the header ``Link``."""

    url: str
    body: Any
    headers: Mapping[str, str]
    links: Mapping[str, str]  # by relation


@dataclass(frozen=True)
class PageNumber:
    """``?page=1&per_page=100``; an empty page is the end, or the declared total."""

    number: str = "page"
    size: str = "per_page"
    first: int = 1
    rows: int = 100  # asked for; a server may give fewer
    counts: ClassVar[bool] = True

    def begin(self, url: str) -> str:
        return _with(url, {self.number: self.first, self.size: self.rows})

    def after(self, answer: Answer, count: int, followed: bool) -> str | None:
        number = int(_url(answer.url).params[self.number])
        return _with(answer.url, {self.number: number + 1}) if count else None


@dataclass(frozen=True)
class Offset:
    """``?offset=0&limit=100``; a server may give fewer than asked. An empty page is the end, or the declared total."""

    offset: str = "offset"
    size: str = "limit"
    rows: int = 100  # asked for
    counts: ClassVar[bool] = True

    def begin(self, url: str) -> str:
        return _with(url, {self.offset: 0, self.size: self.rows})

    def after(self, answer: Answer, count: int, followed: bool) -> str | None:
        return (
            _with(answer.url, {self.offset: int(_url(answer.url).params[self.offset]) + count})
            if count
            else None
        )


@dataclass(frozen=True)
class Cursor:
    """The body names a cursor that the next request gives back; null or "" is the end."""

    field: str = "next_cursor"  # in the body; dots go inwards
    parameter: str = "cursor"
    counts: ClassVar[bool] = False

    def begin(self, url: str) -> str:
        return url

    def after(self, answer: Answer, count: int, followed: bool) -> str | None:
        cursor = _marked(answer.body, self.field, followed)
        return _with(answer.url, {self.parameter: cursor}) if cursor not in (None, "", False) else None


@dataclass(frozen=True)
class NextLink:
    """The body holds the address of the next page; null or "" is the end."""

    field: str = "next"  # in the body; dots go inwards
    counts: ClassVar[bool] = False

    def begin(self, url: str) -> str:
        return url

    def after(self, answer: Answer, count: int, followed: bool) -> str | None:
        link = _marked(answer.body, self.field, followed)
        return urljoin(answer.url, str(link)) if link else None


@dataclass(frozen=True)
class LinkHeader:
    """The header ``Link`` holds the address of the next page under ``rel="next"`` (RFC 8288); without it, the end."""

    counts: ClassVar[bool] = False

    def begin(self, url: str) -> str:
        return url

    def after(self, answer: Answer, count: int, followed: bool) -> str | None:
        if not answer.links and not followed:
            raise Unmarked("it has no header Link")
        link = answer.links.get("next")
        return urljoin(answer.url, link) if link else None


Paging = PageNumber | Offset | Cursor | NextLink | LinkHeader


class Unmarked(Exception):
    """The only page says nothing of a next one: the last page, or a name that is misspelt."""


class Absent(Exception):
    """A path leads nowhere."""


def dig(body: Any, path: str) -> Any:
    """What lies at a dotted path; "" is the whole.

    Raises:
        Absent: nothing does.
    """
    for name in path.split(".") if path else []:
        if not isinstance(body, dict) or name not in body:
            raise Absent(name)
        body = body[name]
    return body


def require_same_host(url: str, first: str) -> None:
    """Credentials go to the host that the pilot named, and to no other."""
    there, here = _url(url), _url(first)
    if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
        raise TremplinError(
            f"The next page lies on {there.scheme}://{there.host}, not on {here.scheme}://{here.host}: it is not followed, "
            "for credentials would go there. Ask whoever runs the service for addresses of its own."
        )


def _marked(body: Any, field: str, followed: bool) -> Any:
    try:
        return dig(body, field)
    except Absent:
        if followed:  # many leave the field out of the last page
            return None
        raise Unmarked(f"it has no field {field}") from None


def _with(url: str, params: Mapping[str, Any]) -> str:
    return str(_url(url).copy_merge_params(params))


def _url(url: str) -> httpx.URL:
    import httpx

    return httpx.URL(url)
