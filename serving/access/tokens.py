"""Bearer tokens of an OpenID Connect issuer: JSON Web Tokens (RFC 7519), verified here with its published keys."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any

import jwt

from serving.access.issuer import PATIENCE, Issuer, VerificationKeys
from serving.access.refusals import Refusal
from serving.access.roles import Caller, Role

LEEWAY = 30  # seconds that two clocks may differ
LONGEST_SUBJECT = 190  # characters; with its kind before it, it is stored as the author of what is sent
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and lone surrogates
MOST = 10_000  # verified tokens that are remembered, by hash, 400 bytes each
ROLES = frozenset(Role)


class Tokens:
    """Turns tokens into callers. A verified one costs a hash until it expires or the issuer's keys change."""

    def __init__(self, issuer: Issuer, audience: str, roles_claim: str) -> None:
        self.issuer = issuer
        self._audience, self._roles_claim = audience, roles_claim
        self._verified: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()  # and when it ends
        self._keys: VerificationKeys | None = None  # with which they were verified

    def known(self, token: bytes) -> Caller | None:
        """Whose it is, if it was verified before and still counts."""
        if self._keys is not self.issuer.keys:  # a key that was withdrawn must not live on in what it signed
            self._verified.clear()
            self._keys = self.issuer.keys
        found = self._verified.get(hashlib.sha256(token).digest())
        return found[0] if found and found[1] > time.time() else None

    async def caller(self, token: bytes) -> Caller:
        """Whose token it is.

        Raises:
            Refusal: it does not count, or its issuer has not answered yet.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, RecursionError):  # of a header that is nested deeply
            raise _refusal("not_a_token", "It is neither an API key nor a JSON Web Token.") from None
        name, algorithm = header.get("kid"), str(header.get("alg"))
        keys, key = self._find(name, algorithm)
        if key is None and (asked := self.issuer.ask()):
            await _at_most(PATIENCE, asyncio.wrap_future(asked))
            keys, key = self._find(name, algorithm)
        if keys is None:
            detail = "The issuer of tokens has not answered yet."
            raise Refusal("token", "issuer_away", detail, 503, "")
        if key is None:
            raise _refusal("unknown_signer", "The issuer has no such key, or not for this algorithm.")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],  # it is one of ALGORITHMS, or no key would have been found
                audience=self._audience,
                issuer=self.issuer.url,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise _refusal("expired_token", "The token has expired.") from None
        except jwt.InvalidAudienceError:
            raise _refusal("other_audience", "The token's aud does not name this service.") from None
        except jwt.PyJWTError as error:
            said = type(error).__name__.removesuffix("Error")  # its text may quote the token
            raise _refusal("bad_token", f"The token does not count: {said}.") from None
        return self._remember(token, claims, keys)

    def _find(self, name: str | None, algorithm: str) -> tuple[VerificationKeys | None, jwt.PyJWK | None]:
        keys = self.issuer.keys
        return keys, keys.find(name, algorithm) if keys else None

    def _remember(self, token: bytes, claims: dict[str, Any], keys: VerificationKeys) -> Caller:
        subject = claims["sub"]
        if not subject or len(subject) > LONGEST_SUBJECT:
            raise _refusal("bad_token", f"The token's sub has 1 to {LONGEST_SUBJECT} characters.")
        if UNSTORABLE.search(subject):
            raise _refusal("bad_token", "The token's sub holds control characters or half characters.")
        roles = ROLES.intersection(_named(claims, self._roles_claim))
        identity = f"token:{subject}"  # a key may have the subject's name
        caller = Caller(identity, "token", roles, identity)
        if keys is self._keys:
            self._verified[hashlib.sha256(token).digest()] = caller, float(claims["exp"]) + LEEWAY
            if len(self._verified) > MOST:
                self._verified.popitem(last=False)
        return caller


def _named(claims: dict[str, Any], claim: str) -> list[str]:
    """The roles of a claim: a list, or words in a text as in `scope`. Its name is tried whole first: it may hold dots."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found.split()
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


async def _at_most(seconds: float, wanted: Awaitable[None]) -> None:
    """Wait for it, not longer."""
    await asyncio.wait([asyncio.ensure_future(wanted)], timeout=seconds)


def _refusal(reason: str, detail: str) -> Refusal:
    return Refusal("token", reason, detail)
