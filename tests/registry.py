"""A real image registry (Debian's docker-registry, the reference implementation) on a port of its own."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

USER, PASSWORD = "robot", "correct horse"
HTPASSWD = f"{USER}:$2b$04$xzPMW7XTtYWF.ZHOi943AuiCPcUG3ST77/L4SLeuOMfhGLQI0ufz.\n"  # bcrypt of the password
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Registry:
    """Where it answers, such as 127.0.0.1:40000."""

    host: str
    login: tuple[str, str] | None

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Ask its API."""
        address = path if path.startswith("http") else f"http://{self.host}/v2/{path}"
        answer = httpx.request(method, address, auth=self.login, trust_env=False, **given)
        answer.raise_for_status()
        return answer

    def image(self, name: str) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
        """Manifest as it is sent, manifest and configuration of NAME:TAG or NAME@DIGEST."""
        repository, tag = name.split("@") if "@" in name else name.split(":")
        sent = self.call("GET", f"{repository}/manifests/{tag}", headers={"Accept": MANIFEST}).content
        manifest = json.loads(sent)
        config = self.call("GET", f"{repository}/blobs/{manifest['config']['digest']}").json()
        return sent, manifest, config

    def layer(self, repository: str, digest: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        """What a layer holds."""
        content = self.call("GET", f"{repository}/blobs/{digest}").content
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return {
                m.name: (m, file.read() if (file := tar.extractfile(m)) else b"") for m in tar.getmembers()
            }

    def push_base(self, name: str, *, docker: bool = False) -> None:
        """A small image, described in OCI's words or in Docker's."""
        repository, tag = name.split(":")
        tarred = io.BytesIO()
        with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
            entry = tarfile.TarInfo("opt/server")
            entry.size = 6
            tar.addfile(entry, io.BytesIO(b"server"))
        layer = tarred.getvalue()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Env": ["PATH=/bin", "TREMPLIN_PILOT=none"],
                    "User": "10001",
                    "Labels": {"kept": "yes"},
                },
                "rootfs": {"type": "layers", "diff_ids": [_digest(b"any")]},
            }
        ).encode()
        for blob in (layer, config):
            place = self.call("POST", f"{repository}/blobs/uploads/").headers["location"]
            self.call("PUT", f"{place}&digest={_digest(blob)}", content=blob)
        docker_kind = "application/vnd.docker"
        kinds = (
            [f"{docker_kind}.distribution.manifest.v2+json", f"{docker_kind}.container.image.v1+json"]
            if docker
            else [MANIFEST, "application/vnd.oci.image.config.v1+json"]
        )
        layer_kind = (
            f"{docker_kind}.image.rootfs.diff.tar.gzip"
            if docker
            else "application/vnd.oci.image.layer.v1.tar+gzip"
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": layer_kind, "digest": _digest(layer), "size": len(layer)}],
        }
        content = json.dumps(manifest).encode()
        self.call("PUT", f"{repository}/manifests/{tag}", content=content, headers={"Content-Type": kinds[0]})


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def registry(folder: Path, *, guarded: bool = False) -> Iterator[Registry]:
    """Run one; ``guarded`` asks for the user and password above."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no image registry here (Debian: docker-registry)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": host},
    }
    if guarded:
        (folder / "htpasswd").write_text(HTPASSWD)
        settings["auth"] = {"htpasswd": {"realm": "of the tests", "path": str(folder / "htpasswd")}}
    (folder / "registry.yml").write_text(yaml.safe_dump(settings))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "registry.yml")], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://{host}/v2/", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield Registry(host, (USER, PASSWORD) if guarded else None)
    finally:
        process.terminate()
        process.wait(20)
