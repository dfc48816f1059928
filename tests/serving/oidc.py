"""An OpenID Connect issuer of the tests' own, on this machine: what it publishes and signs is theirs to choose."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec as curves
from cryptography.hazmat.primitives.asymmetric import rsa as primes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import get_algorithm_by_name

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "HS256", "none"]  # what it says it signs with


@dataclass(frozen=True)
class Key:
    """A private key and what is published of it."""

    private: Any
    algorithm: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        published: dict[str, Any] = get_algorithm_by_name(self.algorithm).to_jwk(public, as_dict=True)
        return {"use": "sig"} | published | self.more


class Issuer:
    """Publishes ``keys``; ``away`` makes it answer 503, and while ``pause`` is clear it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[Key] = [rsa("first")]
        self.more: list[Any] = []  # published beside them
        self.away = False
        self.pause = threading.Event()
        self.pause.set()
        self.calls: Counter[str] = Counter()
        self.document: dict[str, Any] = {
            "issuer": url,
            "jwks_uri": f"{url}/jwks",
            "id_token_signing_alg_values_supported": ALGORITHMS,
        }

    def answer(self, path: str) -> Any:
        self.calls[path] += 1
        if path == "/.well-known/openid-configuration":
            return self.document
        return {"keys": self.more + [key.jwk for key in self.keys]} if path == "/jwks" else None

    def token(
        self,
        key: Key | None = None,
        algorithm: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token that counts, but for what is given; None takes a claim away."""
        key = key or self.keys[0]
        now = int(time.time())
        body = {
            "iss": self.url,
            "aud": "tremplin",
            "sub": "ada",
            "iat": now,
            "exp": now + 600,
            "roles": ["predict"],
        }
        body = {name: value for name, value in (body | claims).items() if value is not None}
        algorithm = algorithm or key.algorithm
        head = {"alg": algorithm, "kid": key.more.get("kid")} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        signed = f"{encoded(head)}.{encoded(body)}"
        return f"{signed}.{base64url(get_algorithm_by_name(algorithm).sign(signed.encode(), key.private))}"


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def encoded(value: Any) -> str:
    return base64url(json.dumps(value).encode())


def rsa(name: str, bits: int = 2048, **more: Any) -> Key:
    return Key(primes.generate_private_key(65537, bits), "RS256", {"kid": name} | more)


def ec(name: str) -> Key:
    return Key(curves.generate_private_key(curves.SECP256R1()), "ES256", {"kid": name})


def ed25519(name: str) -> Key:
    return Key(Ed25519PrivateKey.generate(), "EdDSA", {"kid": name})


@contextmanager
def issuer() -> Iterator[Issuer]:
    """One that runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.pause.wait(10)
            found = None if one.away else one.answer(self.path)
            self.send_response(503 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
