"""The door: who a request comes from, whether it may do this, and whether not too often."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.types import Scope

from serving.access.counts import Counts
from serving.access.credentials import address, credential
from serving.access.key_watch import KeyWatch
from serving.access.keys import PREFIX
from serving.access.limits import RateLimits
from serving.access.refusals import Refusal, missing_role, too_many
from serving.access.roles import Caller, Role
from serving.access.windows import Limit, SlidingWindow
from serving.problems import Problem

if TYPE_CHECKING:
    from serving.access.tokens import Tokens

FAILURES = Limit(60, 60)  # of one address; beyond it no signature is verified for it
NO_CREDENTIAL = "no_credential"
ANYBODY = Caller("anonymous", "anonymous", frozenset(Role))  # in development


class Access:
    """Lets callers in by API key or token; in development, everybody as long as there is neither."""

    def __init__(
        self,
        keys: KeyWatch,
        tokens: Tokens | None,
        *,
        limits: RateLimits | None,
        counts: Counts,
        development: bool,
    ) -> None:
        self._keys, self._tokens, self._limits, self._counts = keys, tokens, limits, counts
        self._development = development
        self._failures = SlidingWindow(FAILURES)
        self._nameless = SlidingWindow(
            FAILURES
        )  # calls without a credential: whoever sends one is not hindered by them

    @property
    def open(self) -> bool:
        """Whether everybody is let in."""
        return self._development and self._keys.ring is None and self._tokens is None

    @property
    def problem(self) -> str:
        """What is wrong with what it lets in by; it goes on with what it knew. Empty: nothing."""
        parts = [self._keys, self._tokens and self._tokens.issuer, self._limits]
        return " ".join(part.problem for part in parts if part and part.problem)

    def start(self) -> None:
        """Follow the keys, and the issuer's, from now on."""
        self._keys.start()
        if self._tokens:
            self._tokens.issuer.start()

    def stop(self) -> None:
        """Follow them no more."""
        self._keys.stop()
        if self._tokens:
            self._tokens.issuer.stop()

    async def close(self) -> None:
        """At the end: stop, and leave the store of rate limits."""
        self.stop()
        if self._limits:
            await self._limits.close()

    async def admit(self, scope: Scope, role: Role | None) -> Caller:
        """Whom an HTTP request comes from, if it may do what needs ``role``; None: anything. Costs one row of its limit.

        Raises:
            Problem: 401 or 400, its credentials do not count; 403, the role is missing; 429, too often; 503, who issues
                its token does not answer.
        """
        try:
            caller = await self._caller(scope)
        except Refusal as refusal:
            raise self._refused(scope, refusal) from None
        await self._take(caller, 1)
        if role is not None and role not in caller.roles:
            self._counts.add(caller.kind, "missing_role")
            raise missing_role(caller, role)
        self._counts.add(caller.kind, "admitted")
        return caller

    async def charge(self, caller: Caller, rows: int) -> None:
        """Count the rows of a body against the caller's limit; ``admit`` has counted the first.

        Raises:
            Problem: 429; nothing was counted.
        """
        if rows > 1:
            await self._take(caller, rows - 1)

    async def _take(self, caller: Caller, cost: int) -> None:
        if self._limits is not None:
            try:
                await self._limits.take(caller.counted, cost)
            except Problem:
                self._counts.add(caller.kind, "rate_limited")
                raise

    async def _caller(self, scope: Scope) -> Caller:
        if self.open:  # whatever a client is set up to send elsewhere
            return replace(ANYBODY, counted=f"address:{address(scope)}") if self._limits else ANYBODY
        sent = credential(scope)
        if sent is None:
            detail = "Send an API key or a token: Authorization: Bearer KEY."
            raise Refusal("anonymous", NO_CREDENTIAL, detail, error="")
        if sent.startswith(PREFIX):
            return self._by_key(sent)
        if self._tokens is None:
            raise Refusal("token", "unknown_token", "No such API key, and tokens are not taken here.")
        if caller := self._tokens.known(sent):
            return caller
        if self._failures.wait(address(scope)):
            raise Refusal("token", "not_looked_at", "Too many failures from this address.")
        return await self._tokens.caller(sent)

    def _by_key(self, sent: bytes) -> Caller:
        ring = self._keys.ring
        known = ring.find(sent) if ring else None
        if known is None:
            raise Refusal("key", "unknown_key", "No such API key, or it was revoked.")
        if known.expires <= time.time():
            raise Refusal("key", "expired_key", "The API key has expired.")
        return known.caller

    def _refused(self, scope: Scope, refusal: Refusal) -> Problem:
        """The answer; whoever fails too often is told to wait."""
        self._counts.add(refusal.kind, refusal.reason)
        if refusal.status == 503:
            return refusal.problem()
        name = address(scope)
        counted = self._nameless if refusal.reason == NO_CREDENTIAL else self._failures
        if wait := counted.take(name):
            return too_many(FAILURES, wait, counted.remaining(name), "failures of an address")
        return refusal.problem()


def require(access: Access, role: Role | None) -> Callable[[Request], Awaitable[Caller]]:
    """The same for an ordinary route: ``dependencies=[Depends(require(access, Role.AUDIT))]``."""

    async def admitted(request: Request) -> Caller:
        return await access.admit(request.scope, role)

    return admitted
