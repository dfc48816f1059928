"""An image as one file for a site without a registry: the OCI image layout in a tar."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO

from pipelines.imaging.carried import digest
from pipelines.imaging.image import INDEX, MANIFEST, Image
from pipelines.imaging.registry import Repository
from tremplin.draft import draft_of


def write_archive(path: Path, image: Image, base: Repository, name: str) -> None:
    """Write the image; `ctr image import`, `podman load` and `skopeo` read it. The file appears whole or not at all.

    Args:
        base: where the layers below are.
        name: the image's, once it was imported.
    """
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": image.digest,
                "size": len(image.manifest),
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                },
            }
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    with tarfile.open(draft, "w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", json.dumps(index, separators=(",", ":"), sort_keys=True).encode())
        for content in (image.manifest, image.config, image.layer.content):
            _add(tar, _place(digest(content)), content)
        for described in image.base_layers:
            with tempfile.TemporaryFile(dir=path.parent) as copy:
                base.save(described, copy.write)
                _add_file(tar, _place(described["digest"]), copy)
    draft.replace(path)


def _place(name: str) -> str:
    return f"blobs/{name.replace(':', '/')}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    _add_file(tar, name, io.BytesIO(content))


def _add_file(tar: tarfile.TarFile, name: str, file: BinaryIO) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = file.seek(0, io.SEEK_END)
    entry.mode = 0o644
    file.seek(0)
    tar.addfile(entry, file)
