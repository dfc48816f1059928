"""What a caller is told who may not, with the header that a client understands."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isinf

from serving.access.roles import Caller, Kind, Role
from serving.access.windows import Limit
from serving.problems import Problem


@dataclass(eq=False)
class Refusal(Exception):
    """Why credentials do not count: ``reason`` is for the metric, ``detail`` for the caller; neither holds what was sent."""

    kind: Kind
    reason: str
    detail: str
    status: int = 401
    error: str = "invalid_token"  # RFC 6750, section 3.1; empty where nothing was sent

    def problem(self) -> Problem:
        """As a problem document; 401 and 400 with the challenge of RFC 6750, section 3."""
        if self.status == 503:
            return Problem(503, "The token cannot be verified now", self.detail)
        title = "Who is asking?" if not self.error else "These credentials do not count"
        return Problem(
            self.status, title, self.detail, {"WWW-Authenticate": challenge(self.error, self.detail)}
        )


def challenge(error: str, detail: str, scope: str = "") -> str:
    """The value of WWW-Authenticate."""
    parts = ['Bearer realm="tremplin"']
    if error:
        parts += [f'error="{error}"', f'error_description="{detail}"']
    if scope:
        parts.append(f'scope="{scope}"')
    return ", ".join(parts)


def missing_role(caller: Caller, role: Role) -> Problem:
    """403 naming the role."""
    has = ", ".join(sorted(caller.roles)) or "none"
    detail = f"This needs the role {role}; the caller has: {has}. Whoever runs the server can grant it."
    header = challenge("insufficient_scope", f"the role {role} is missing", role)
    return Problem(403, "A role is missing", detail, {"WWW-Authenticate": header}, role=role)


def too_many(limit: Limit, wait: float, remaining: int, what: str) -> Problem:
    """429 with the time to wait (RFC 6585, section 4) and the fields of draft-ietf-httpapi-ratelimit-headers-10."""
    headers = {"RateLimit-Policy": f'"default";q={limit.amount};w={limit.seconds}'}
    if isinf(wait):
        detail = f"This costs more than the limit of {limit} {what} ever holds: send fewer at a time."
    else:
        seconds = max(1, ceil(wait))
        headers |= {"Retry-After": str(seconds), "RateLimit": f'"default";r={remaining};t={seconds}'}
        detail = f"The limit is {limit} {what}. Try again in {seconds} s."
    return Problem(429, "Too many requests", detail, headers)
