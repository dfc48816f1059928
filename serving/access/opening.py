"""What must be settled before anybody is let in; outside development, what is not stops the start."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from serving.access.admission import Access
from serving.access.counts import Counts
from serving.access.key_watch import KeyWatch
from serving.access.limits import RateLimits
from serving.access.windows import Limit
from tremplin.errors import TremplinError
from tremplin.settings import API_KEYS, Settings

if TYPE_CHECKING:
    from serving.access.tokens import Tokens

PLACEHOLDER = "changeme"
UNLIMITED = "none"
# Rows of an identity in production: a thousand a second, or twelve of the longest bodies a minute.
PRODUCTION_LIMIT = "60000/minute"

log = logging.getLogger("serving")


def open_access(settings: Settings, registry: CollectorRegistry | None = None) -> Access:
    """The door as the settings have it; ``registry`` gets its metric.

    Raises:
        TremplinError: outside development, nobody could be told apart or a value still says `changeme`; the file of keys
            cannot be read; a setting does not fit.
    """
    keys = KeyWatch(settings.api_keys, settings.live_poll_seconds)
    keys.look()
    _refuse_missing(settings, keys)
    _refuse_placeholders(settings, keys)
    limit = _limit(settings)
    return Access(
        keys,
        _tokens(settings),
        limits=RateLimits(limit, settings.rate_limit_store.get_secret_value()) if limit else None,
        counts=Counts(registry or CollectorRegistry()),
        development=settings.environment == "development",
    )


def _refuse_missing(settings: Settings, keys: KeyWatch) -> None:
    """Outside development somebody must be known; a file that was named must be there, or a slip would open the door."""
    if keys.ring is None and not settings.oidc_issuer and settings.api_keys != settings.home / API_KEYS:
        raise TremplinError(
            f"TREMPLIN_API_KEYS names {settings.api_keys}, which is not there. Make it: `tremplin key new`."
        )
    if settings.environment != "development" and not ((keys.ring and keys.ring.ids) or settings.oidc_issuer):
        raise TremplinError(
            f"TREMPLIN_ENVIRONMENT is {settings.environment}, and nobody could be let in: there is no API key in "
            f"{settings.api_keys}, and no TREMPLIN_OIDC_ISSUER. Make a key with `tremplin key new --id NAME --role predict`, "
            "or set TREMPLIN_OIDC_ISSUER and TREMPLIN_OIDC_AUDIENCE."
        )


def _refuse_placeholders(settings: Settings, keys: KeyWatch) -> None:
    """No value that somebody was to replace; paths are not looked at, a folder may be called anything."""
    found = [
        f"TREMPLIN_{name.upper()}"
        for name, value in settings
        if isinstance(value, str | SecretStr)
        and PLACEHOLDER in (value if isinstance(value, str) else value.get_secret_value()).lower()
    ]
    ids = sorted(keys.ring.ids) if keys.ring else []
    found += [f"the key {name} in {settings.api_keys}" for name in ids if PLACEHOLDER in name]
    if not found:
        return
    said = f"{' and '.join(found)} still {'says' if len(found) == 1 else 'say'} `{PLACEHOLDER}`"
    if settings.environment != "development":
        raise TremplinError(f"{said}. Decide, and start again.")
    log.warning("%s: outside development that stops the start.", said)


def _tokens(settings: Settings) -> Tokens | None:
    """Whose tokens are taken; None: nobody's."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_audience:
        raise TremplinError(
            "TREMPLIN_OIDC_ISSUER is set and TREMPLIN_OIDC_AUDIENCE is not: the tokens of every service of that issuer "
            "would open this one. Set it to what this service is called there."
        )
    from serving.access.issuer import Issuer  # the library for tokens takes 60 ms to import, and 3 MB
    from serving.access.tokens import Tokens

    return Tokens(Issuer(settings.oidc_issuer), settings.oidc_audience, settings.oidc_roles_claim)


def _limit(settings: Settings) -> Limit | None:
    """How many rows an identity may ask for; None: any number."""
    text = settings.rate_limit or (UNLIMITED if settings.environment == "development" else PRODUCTION_LIMIT)
    if text == UNLIMITED:
        return None
    try:
        return Limit.parse(text)
    except ValueError as error:
        raise TremplinError(f"TREMPLIN_RATE_LIMIT: {error}. Or say {UNLIMITED}.") from None
