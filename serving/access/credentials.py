"""What a request says of who sends it."""

from __future__ import annotations

from ipaddress import IPv6Address

from starlette.types import Scope

from serving.access.refusals import Refusal

LONGEST = 16_384  # bytes of a credential; tokens with many groups are long
LONGEST_ADDRESS = 64  # characters; a proxy may hand on what a client calls itself


def credential(scope: Scope) -> bytes | None:
    """The key or token that was sent as ``Authorization: Bearer`` or ``X-API-Key``; None: nothing was.

    Raises:
        Refusal: several were sent (RFC 6750, section 2, forbids it), or something else.
    """
    found = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, sent = value.partition(b" ")
            if scheme.lower() != b"bearer":
                raise Refusal(
                    "anonymous", "other_scheme", "Send a key or a token as Authorization: Bearer.", error=""
                )
            sent = sent.strip()
        elif name == b"x-api-key":
            sent = value.strip()
        else:
            continue
        if found is not None:
            detail = "Send one credential, once: Authorization: Bearer, or X-API-Key."
            raise Refusal("anonymous", "several_credentials", detail, 400, "invalid_request")
        found = sent
    if found is not None and len(found) > LONGEST:
        raise Refusal("anonymous", "too_long", f"A credential is at most {LONGEST} bytes.")
    return found


def address(scope: Scope) -> str:
    """The client's address as limits count it: of IPv6 the /64 that one customer is given (RFC 6177)."""
    client = scope.get("client")
    host: str = client[0] if client else "unknown"
    if ":" not in host:
        return host[:LONGEST_ADDRESS]
    try:
        return str(IPv6Address((int(IPv6Address(host.partition("%")[0])) >> 64) << 64))
    except ValueError:
        return host[:LONGEST_ADDRESS]
