"""One request that is repeated while repeating may help."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tremplin.errors import SourceAway, TremplinError
from tremplin.sources.credentials import shown, without
from tremplin.sources.paging import Answer

if TYPE_CHECKING:
    import httpx

LONGEST_WAIT = 60.0  # seconds between two attempts of our own choosing
LONGEST_RETRY_AFTER = (
    300.0  # seconds that a server may ask us to wait; for longer, the flow's own retry is the right place
)
PASSING = {408, 425, 429}  # of the 4xx: too slow, too early, too many
JITTER = random.SystemRandom()


@dataclass(frozen=True)
class Patience:
    """How often, and how long. Seconds."""

    attempts: int
    first_wait: float  # doubles each time, less a random half, so that many clients do not come back at once
    timeout: float  # for a whole answer


class _Fault(Exception):
    """An answer that did not come, or not whole."""

    def __init__(self, said: str, wait: float = 0.0) -> None:
        self.wait = wait  # seconds that the server asked for
        super().__init__(said)


def ask(
    client: httpx.Client, url: str, patience: Patience, secrets: list[str], etag: str | None = None
) -> Answer | None:
    """The answer of one URL; None where it still has this ``etag``.

    Raises:
        SourceAway: no whole answer after all attempts (no connection, too slow, cut short, 429, 5xx), or the server asks for
            more patience than ``LONGEST_RETRY_AFTER``.
        TremplinError: the server refuses (4xx), sends elsewhere (3xx), or answers something other than JSON.
    """
    for attempt in range(1, patience.attempts + 1):
        try:
            return _once(client, url, patience.timeout, secrets, etag)
        except _Fault as fault:
            said = without(secrets, fault)
            if attempt == patience.attempts or fault.wait > LONGEST_RETRY_AFTER:
                times = "once" if attempt == 1 else f"{attempt} times"
                wait = f" It asks to wait {fault.wait:.0f} s." if fault.wait else ""
                raise SourceAway(f"{shown(url)} was asked {times}: {said}.{wait} Try again later.") from None
            backoff = min(patience.first_wait * 2 ** (attempt - 1), LONGEST_WAIT) * JITTER.uniform(0.5, 1)
            time.sleep(max(fault.wait, backoff))
    raise AssertionError("the last attempt returns or raises")


def _once(
    client: httpx.Client, url: str, timeout: float, secrets: list[str], etag: str | None
) -> Answer | None:
    import httpx

    ends = time.monotonic() + timeout
    try:
        with client.stream("GET", url, headers={"If-None-Match": etag} if etag else None) as response:
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if time.monotonic() > ends:  # httpx limits the wait for each part, not for all of them
                    raise _Fault(f"the answer was not whole after {timeout:g} s")
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise TremplinError(f"{shown(url)} is no address: {error}.") from None
    except httpx.RequestError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise TremplinError(
                f"{shown(url)} shows a certificate that is not trusted here: {error}. Set SSL_CERT_FILE to your authority's."
            ) from None
        raise _Fault(f"{type(error).__name__}: {error}".rstrip(": ")) from None
    return _read(response, bytes(content), url, secrets, etag)


def _read(
    response: httpx.Response, content: bytes, url: str, secrets: list[str], etag: str | None
) -> Answer | None:
    status = response.status_code
    if etag and status == 304:
        return None
    if status >= 500 or status in PASSING:
        raise _Fault(f"it answers {status} {response.reason_phrase}", _retry_after(response))
    if status != 200:
        said = without(secrets, content[:300].decode(errors="replace")) or response.reason_phrase
        where = f" and sends to {shown(response.headers['location'])}" if response.is_redirect else ""
        raise TremplinError(
            f"{shown(url)} refuses with {status}{where}: {said}. Check the address, the parameters and the credentials."
        )
    kind = response.headers.get("content-type", "")
    if "json" not in kind:
        raise TremplinError(
            f"{shown(url)} answers {kind or 'something without a type'}, not JSON. Check the address."
        )
    try:
        body = json.loads(content)
    except ValueError as error:
        raise _Fault(f"its JSON is cut short or damaged ({error})") from None
    links = {relation: link["url"] for relation, link in response.links.items() if relation and "url" in link}
    return Answer(url, body, response.headers, links)


def _retry_after(response: httpx.Response) -> float:
    """Seconds of the header (RFC 9110, 10.2.3); a date is read by the server's own clock."""
    value = response.headers.get("retry-after", "")
    if value.isdigit():
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(wait.total_seconds(), 0.0)
