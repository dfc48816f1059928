"""HTTPS by setting."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from tremplin.errors import TremplinError
from tremplin.settings import Settings


def tls_options(settings: Settings) -> dict[str, Any]:
    """What ``uvicorn.Config`` needs to serve HTTPS, TLS 1.2 or later (RFC 9325); nothing where no certificate is set.

    A renewed certificate is read at the next start.

    Raises:
        TremplinError: one of the two is missing, or they do not fit together.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate == Path() and key == Path():
        return {}
    if certificate == Path() or key == Path():
        raise TremplinError("TREMPLIN_TLS_CERTIFICATE and TREMPLIN_TLS_KEY go together: set both, or none.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise TremplinError(
            f"TREMPLIN_TLS_CERTIFICATE ({certificate}) and TREMPLIN_TLS_KEY ({key}) cannot be used: {why}. "
            "They are PEM files: the chain with the server's certificate first, and its key without a password."
        ) from None
    return {"ssl_context_factory": lambda _config, _default: context}


def _no_password() -> str:
    """An encrypted key fails, where OpenSSL would ask for its password at the terminal and wait."""
    return ""
