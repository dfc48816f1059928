"""The keys of who issues tokens, as it publishes them (OpenID Connect Discovery 1.0, JSON Web Key: RFC 7517).

Fetched in a thread of its own and kept when the issuer is away: a server whose issuer does not answer goes on verifying
what was signed with the keys that it knows.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, ValidationError

from tremplin.errors import TremplinError

EVERY = 300.0  # seconds between two looks; issuers publish a key before they sign with it
AGAIN = 10.0  # seconds after a look that failed, and between two looks that unknown keys ask for
PATIENCE = 5.0  # seconds for an answer
LONGEST = 2**20  # bytes of a document
WEAKEST = 2048  # bits of an RSA key (RFC 7518, section 3.3)
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

# Which algorithms a kind of key may verify. All are asymmetric: with HS256 the public key would be the secret.
ALGORITHMS = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}

log = logging.getLogger("serving")


class Discovery(BaseModel):
    """What we read of ``/.well-known/openid-configuration``."""

    issuer: str
    jwks_uri: str
    id_token_signing_alg_values_supported: list[str]


class PublishedKeys(BaseModel):
    """A JWK set."""

    keys: list[dict[str, Any]]


@dataclass(frozen=True)
class VerificationKeys:
    """One reading of the issuer's keys: by the id a token names and the algorithm it says."""

    keys: dict[tuple[str, str], PyJWK] = field(default_factory=dict)

    def find(self, name: str | None, algorithm: str) -> PyJWK | None:
        """The key for a token; one without a key's id can only mean the only key there is."""
        if name is not None:
            return self.keys.get((name, algorithm))
        fitting = [key for (_, fits), key in self.keys.items() if fits == algorithm]
        return fitting[0] if len(fitting) == 1 else None


class _NoRedirect(HTTPRedirectHandler):
    """The address that was configured is the one that is asked."""

    def redirect_request(self, *_: Any) -> None:
        return None


def check_address(url: str, what: str) -> None:
    """Only https, or this machine.

    Raises:
        TremplinError: whoever is on the way could give us their own keys.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in LOCAL:
        return
    raise TremplinError(f"{what} must be an https:// address, got {url[:200]!r}.")


def fetch(url: str) -> bytes:
    """The document at ``url``.

    Raises:
        TremplinError: it does not come, in time and whole.
    """
    check_address(url, "What the keys are fetched from")
    try:
        with build_opener(_NoRedirect).open(Request(url), timeout=PATIENCE) as answer:  # noqa: S310 - checked above
            content: bytes = answer.read(LONGEST + 1)
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise TremplinError(f"{url} does not answer: {error}.") from None
    if len(content) > LONGEST:
        raise TremplinError(f"{url} answers with more than {LONGEST} bytes.")
    return content


def read_keys(issuer: str) -> VerificationKeys:
    """What the issuer publishes now.

    Raises:
        TremplinError: it does not answer, or its documents do not fit.
    """
    try:
        found = Discovery.model_validate_json(fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        if found.issuer != issuer:  # OpenID Connect Discovery, section 4.3
            raise TremplinError(f"TREMPLIN_OIDC_ISSUER is {issuer!r}, and there {found.issuer!r} answers.")
        published = PublishedKeys.model_validate_json(fetch(found.jwks_uri))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise TremplinError(f"What {issuer} publishes does not fit: {wrong}.") from None
    keys = {}
    for jwk in published.keys:
        for algorithm in ALGORITHMS.get((str(jwk.get("kty")), str(jwk.get("crv", ""))), ()):
            if algorithm in found.id_token_signing_alg_values_supported and (key := _open(jwk, algorithm)):
                keys[str(jwk.get("kid", "")), algorithm] = key
    if not keys:
        raise TremplinError(
            f"{issuer} publishes no key that counts here: RSA of {WEAKEST} bits or more, EC or Ed25519."
        )
    return VerificationKeys(keys)


def _open(jwk: dict[str, Any], algorithm: str) -> PyJWK | None:
    """The key for that algorithm, unless it is for something else or too weak."""
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        key = PyJWK(jwk, algorithm)
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None
    weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < WEAKEST
    return None if weak else key


def _uncancelled() -> Future[None]:
    """A future that a request which gives up waiting does not cancel for the others."""
    one: Future[None] = Future()
    one.set_running_or_notify_cancel()
    return one


class Issuer:
    """Follows the keys of one issuer."""

    def __init__(self, url: str) -> None:
        check_address(url, "TREMPLIN_OIDC_ISSUER")
        self.url = url
        self.keys: VerificationKeys | None = None  # None until it has answered once
        self.problem = "The issuer was not asked yet."
        self._asked_at = 0.0
        self._wanted = threading.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._next = _uncancelled()

    def start(self) -> None:
        """Look now, and from time to time."""
        threading.Thread(target=self._run, name="issuer", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        self._wanted.set()

    def ask(self) -> Future[None] | None:
        """A token names a key that is not known: done when the issuer was asked; None if it just was.

        So forged names of keys make it ask once in ``AGAIN`` seconds at most.
        """
        with self._lock:
            if not self._wanted.is_set():
                if time.monotonic() - self._asked_at < AGAIN:
                    return None
                self._wanted.set()
            return self._next

    def look(self) -> None:
        """Ask once; whatever comes instead of keys leaves the last ones."""
        with self._lock:
            done, self._next = self._next, _uncancelled()
            self._asked_at = time.monotonic()
            self._wanted.clear()
        try:
            self.keys, problem = read_keys(self.url), ""
        except TremplinError as error:
            kept = "The last known keys stay." if self.keys else "No token can be verified yet."
            problem = f"{error} {kept}"
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem
        done.set_result(None)

    def _run(self) -> None:
        while not self._stopped:
            self.look()
            self._wanted.wait(AGAIN if self.problem else EVERY)
