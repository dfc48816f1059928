"""Images in a registry: read, and written blob by blob. oras does the transport and knows Docker's credentials."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import oras.provider
import requests
from oras.container import Container

from pipelines.imaging.carried import digest
from pipelines.imaging.image import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Base, Descriptor, Image
from tremplin.errors import TremplinError

PLATFORM = {"os": "linux", "architecture": "amd64"}  # of the wheels in the server's image
CHUNK = 1 << 20
# A registry has a dot or a port, or is localhost: what is without one means another place to each container engine.
NAMED = re.compile(
    r"(?:localhost|[^/@\s]+[.:][^/@\s]*)/[a-z0-9][a-z0-9._/-]*(?::[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})"
)
LOCAL = ("127.0.0.1", "localhost", "[::1]")  # plain HTTP, as container engines do


def _credentials() -> list[str]:
    """Files that Docker and Podman keep logins in; oras knows ~/.docker/config.json itself."""
    folder, file = os.environ.get("DOCKER_CONFIG"), os.environ.get("REGISTRY_AUTH_FILE")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [
        Path(folder) / "config.json" if folder else None,
        Path(file) if file else None,
        Path(runtime) / "containers" / "auth.json" if runtime else None,
    ]
    return [str(place) for place in places if place and place.is_file()]


class _Transport(oras.provider.Registry):  # type: ignore[misc]
    """Without its retries, which take two minutes to say that nobody answers."""

    do_request = oras.provider.Registry.do_request.__wrapped__


class Repository:
    """One repository of a registry, and the tag or digest that was asked for."""

    def __init__(self, reference: str) -> None:
        """
        Args:
            reference: REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:…

        Raises:
            TremplinError: it is none, or the registry does not answer.
        """
        self.reference = reference
        if not NAMED.fullmatch(reference):
            raise TremplinError(f"{reference!r} names no image in a registry: write REGISTRY/NAME:TAG.")
        self._at = Container(reference)
        host = str(self._at.registry)
        plain = host.rsplit(":", 1)[0] in LOCAL
        self._root = f"{'http' if plain else 'https'}://{host}/v2/"
        self._address = f"{self._root}{self._at.api_prefix}"
        with self._told():
            asked = requests.get(self._root, timeout=30).headers.get("www-authenticate", "")
        kind = "basic" if asked.lower().startswith("basic") else "token"
        self._transport = _Transport(insecure=plain, auth_backend=kind)
        self._transport.auth.load_configs(self._at, _credentials())

    @property
    def host(self) -> str:
        """The registry."""
        return str(self._at.registry)

    @property
    def name(self) -> str:
        """The repository's name in it."""
        return str(self._at.api_prefix)

    @property
    def tag(self) -> str:
        """What was asked for."""
        return str(self._at.digest or self._at.tag)

    def base(self) -> Base:
        """Manifest and configuration of the image.

        Raises:
            TremplinError: there is no such image, or none for the server's platform.
        """
        content, found = self._manifest(self.tag)
        if found["mediaType"] in (INDEX, DOCKER_INDEX):
            fitting = [m for m in found["manifests"] if PLATFORM.items() <= m.get("platform", {}).items()]
            if not fitting:
                raise TremplinError(f"{self.reference} holds no image for {'/'.join(PLATFORM.values())}.")
            content, found = self._manifest(fitting[0]["digest"])
        config = json.loads(self.blob(found["config"]))
        return Base(digest(content), config, found["layers"])

    def blob(self, described: Descriptor) -> bytes:
        """A small blob, checked against its digest."""
        answer = self._ask("GET", f"/blobs/{described['digest']}")
        if digest(answer.content) != described["digest"]:
            raise TremplinError(f"{self.host} gave other bytes than {described['digest']} names. Try again.")
        return bytes(answer.content)

    def save(self, described: Descriptor, write: Callable[[bytes], Any]) -> None:
        """Write a blob piece by piece.

        Raises:
            TremplinError: other bytes came than its digest names.
        """
        known = hashlib.sha256()
        with self._told(), self._ask("GET", f"/blobs/{described['digest']}", stream=True) as answer:
            for piece in answer.iter_content(CHUNK):
                known.update(piece)
                write(piece)
        if f"sha256:{known.hexdigest()}" != described["digest"]:
            raise TremplinError(f"{self.host} gave other bytes than {described['digest']} names. Try again.")

    def push(self, image: Image, base: Repository, folder: Path) -> None:
        """Bring what is missing here, the manifest last: an image is there whole or not at all.

        Args:
            base: where the layers below are; of the same registry they are mounted, else copied through ``folder``.

        Raises:
            TremplinError: the registry takes it not.
        """
        for described in image.base_layers:
            if not self._has(described["digest"]) and not self._mounted(described["digest"], base):
                copy = folder / described["digest"].replace(":", "-")
                with copy.open("wb") as file:
                    base.save(described, file.write)
                self._upload(copy.read_bytes(), described["digest"])
                copy.unlink()
        for content in (image.layer.content, image.config):
            if not self._has(digest(content)):
                self._upload(content, digest(content))
        self._ask("PUT", f"/manifests/{self.tag}", data=image.manifest, headers={"Content-Type": MANIFEST})

    def _manifest(self, tag: str) -> tuple[bytes, dict[str, Any]]:
        kinds = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"
        answer = self._ask("GET", f"/manifests/{tag}", headers={"Accept": kinds})
        found: dict[str, Any] = answer.json()
        found.setdefault("mediaType", answer.headers.get("content-type", ""))
        if found["mediaType"] not in kinds.split(", "):
            raise TremplinError(f"{self.reference} is no image ({found['mediaType']}).")
        return answer.content, found

    def _has(self, name: str) -> bool:
        return self._request("HEAD", f"{self._address}/blobs/{name}").ok

    def _mounted(self, name: str, base: Repository) -> bool:
        """Whether the registry took a blob over from the base's repository."""
        if base.host != self.host:
            return False
        query = f"/blobs/uploads/?mount={name}&from={base.name}"
        return self._ask("POST", query).status_code == requests.codes.created

    def _upload(self, content: bytes, name: str) -> None:
        begun = self._ask("POST", "/blobs/uploads/")
        place = urljoin(self._root, begun.headers["location"])
        place += f"{'&' if '?' in place else '?'}digest={name}"
        headers = {"Content-Type": "application/octet-stream"}
        self._check(self._request("PUT", place, data=content, headers=headers))

    def _ask(self, method: str, path: str, **given: Any) -> requests.Response:
        return self._check(self._request(method, f"{self._address}{path}", **given))

    def _request(self, method: str, address: str, **given: Any) -> requests.Response:
        with self._told():
            answer: requests.Response = self._transport.do_request(address, method, **given)
            return answer

    def _check(self, answer: requests.Response) -> requests.Response:
        if answer.ok:
            return answer
        if answer.status_code == requests.codes.not_found:
            raise TremplinError(
                f"There is no image {self.reference}. `make image-base` builds and pushes the server's base."
            )
        if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            raise TremplinError(self._refusal())
        raise TremplinError(f"The registry {self.host} answers {answer.status_code}: {answer.text[:300]}")

    def _refusal(self) -> str:
        return f"The registry {self.host} refuses access to {self.name}. Run docker login {self.host}, or podman's, first."

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong on the way, in words."""
        try:
            yield
        except requests.RequestException as error:
            raise TremplinError(
                f"The registry {self.host} does not answer ({type(error).__name__}). Is it up, and is the name right?"
            ) from error
        except (
            ValueError,
            AttributeError,
        ) as error:  # oras', where there are no credentials, or they do not help
            raise TremplinError(self._refusal()) from error
