"""Credentials come from the environment and are shown nowhere; addresses are shown without them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from tremplin.errors import TremplinError

HIDDEN = "***"


def from_environment(name: str, what: str) -> str:
    """The value of an environment variable.

    Raises:
        TremplinError: it is not set, or empty.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise TremplinError(f"The environment variable {name} is not set; it holds {what}.")
    return value


def shown(url: str) -> str:
    """A URL without its query, where signatures and keys travel."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")) if parts.scheme else url


def refuse_credentials_in(url: str) -> None:
    """``scheme://user:password@host`` would stay in the code, in git and in every log."""
    if "@" in urlsplit(url).netloc:
        raise TremplinError(
            f"{url.split('://', 1)[0]}://{HIDDEN}@...: credentials do not belong in an address. Bring them by the "
            "environment (docs/sources.md says how) and change these."
        )


def without(secrets: Iterable[str], message: object) -> str:
    """The first paragraph of a message, with every secret in it hidden."""
    text = " ".join(str(message).split("\n(Background", 1)[0].split("\n[SQL:", 1)[0].split())
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
