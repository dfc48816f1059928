"""Signatures as OpenSSH makes them (SSHSIG, Ed25519), so that ``ssh-keygen -Y verify`` alone can verify ours.

Source: OpenSSH, PROTOCOL.sshsig and PROTOCOL.key. A key is named by its public line, ``ssh-ed25519 AAAA…``, without a comment.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAMESPACE = "tremplin"  # a signature made for git or for mail is none here
KIND = b"ssh-ed25519"
MAGIC = b"SSHSIG"
ARMOR = re.compile(
    r"\s*-----BEGIN SSH SIGNATURE-----([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----\s*", re.ASCII
)


def sign(message: bytes, key: Ed25519PrivateKey) -> str:
    """The armored signature of a message."""
    made = key.sign(_signed(b"sha512", message))
    public = string(KIND) + string(raw_of(key.public_key()))
    parts = (public, NAMESPACE.encode(), b"", b"sha512", string(KIND) + string(made))
    blob = base64.b64encode(MAGIC + (1).to_bytes(4, "big") + b"".join(map(string, parts))).decode()
    lines = (blob[start : start + 70] for start in range(0, len(blob), 70))
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def signing_key(message: bytes, signature: str) -> str | None:
    """The public line of the key that made ``signature`` of exactly ``message``; None if no key did."""
    armored = ARMOR.fullmatch(signature)
    if armored is None:
        return None
    try:
        blob = base64.b64decode("".join(armored[1].split()), validate=True)
        if not blob.startswith(MAGIC + (1).to_bytes(4, "big")):
            return None
        public, rest = take(blob[len(MAGIC) + 4 :])
        namespace, rest = take(rest)
        reserved, rest = take(rest)
        hashing, rest = take(rest)
        made, rest = take(rest)
        kind, raw = pair(public)
        signed_with, bytes_of_it = pair(made)
        if rest or reserved or namespace != NAMESPACE.encode() or {kind, signed_with} != {KIND}:
            return None
        Ed25519PublicKey.from_public_bytes(raw).verify(bytes_of_it, _signed(hashing, message))
    except (ValueError, KeyError, InvalidSignature):
        return None
    return line_of(raw)


def fingerprint(public: str) -> str:
    """As ``ssh-keygen -l`` prints it: ``SHA256:…``."""
    hashed = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(hashed).decode().rstrip("=")


def _signed(hashing: bytes, message: bytes) -> bytes:
    """What the key signs: never the message itself, so that it cannot pass for something else.

    Raises:
        KeyError: the hash is none of the two that the format knows.
    """
    hashed = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}[hashing](message).digest()
    return MAGIC + b"".join(map(string, (NAMESPACE.encode(), b"", hashing, hashed)))


def string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def take(content: bytes) -> tuple[bytes, bytes]:
    """The first string, and what follows it."""
    end = 4 + int.from_bytes(content[:4], "big")
    if len(content) < max(end, 4):
        raise binascii.Error("it ends too early")
    return content[4:end], content[end:]


def pair(content: bytes) -> tuple[bytes, bytes]:
    first, rest = take(content)
    second, rest = take(rest)
    if rest:
        raise binascii.Error("there is more in it than belongs there")
    return first, second


def raw_of(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def line_of(raw: bytes) -> str:
    return f"{KIND.decode()} {base64.b64encode(string(KIND) + string(raw)).decode()}"
