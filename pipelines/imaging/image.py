"""An image as the Open Container Initiative describes it, and how one layer is put on top of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from importlib.metadata import version
from typing import Any

from pipelines.imaging.carried import FOLDER, Carried, Layer, digest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
# Docker's own types have the same content under other names; a manifest must not mix them.
OCI_NAMES = {"application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER}

Descriptor = dict[str, Any]


@dataclass(frozen=True)
class Base:
    """The image below."""

    digest: str
    config: dict[str, Any]
    layers: list[Descriptor]


@dataclass(frozen=True)
class Image:
    """An image whose layers but the last are the base's."""

    manifest: bytes
    config: bytes
    base_layers: list[Descriptor]
    layer: Layer

    @property
    def digest(self) -> str:
        """What it is pulled by."""
        return digest(self.manifest)


def put_on(base: Base, carried: Carried, layer: Layer) -> Image:
    """The base with the releases. Nothing in it depends on when or where it is made."""
    made = carried.as_of.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    facts = {
        "org.opencontainers.image.created": made,
        "org.opencontainers.image.version": carried.champion.id,
        "org.opencontainers.image.description": f"Model server of Tremplin with the releases of {carried.pilot}",
        "org.opencontainers.image.base.digest": base.digest,
        "io.tremplin.pilot": carried.pilot,
        "io.tremplin.champion": carried.champion.id,
        "io.tremplin.releases": ",".join(release.id for release in carried.releases),
        "io.tremplin.model.commit": carried.champion.manifest.commit,
    }
    config = json.loads(json.dumps(base.config))  # a copy
    settings = config.setdefault("config", {})
    settings["Labels"] = (settings.get("Labels") or {}) | facts
    settings["Env"] = [e for e in settings.get("Env") or [] if not e.startswith("TREMPLIN_PILOT=")]
    settings["Env"].append(f"TREMPLIN_PILOT={carried.pilot}")
    config["created"] = made
    config["rootfs"]["diff_ids"].append(layer.unpacked)
    by = f"tremplin image {version('tremplin')}: /{FOLDER}"
    config.setdefault("history", []).append({"created": made, "created_by": by})
    for name in (
        "container",
        "container_config",
        "docker_version",
        "id",
        "parent",
    ):  # of the engine that built the base
        config.pop(name, None)
    written = _json(config)
    base_layers = [_renamed(layer) for layer in base.layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _described(CONFIG, digest(written), len(written)),
        "layers": [*base_layers, _described(LAYER, layer.digest, len(layer.content))],
        "annotations": facts,
    }
    return Image(_json(manifest), written, base_layers, layer)


def _renamed(layer: Descriptor) -> Descriptor:
    kind = str(layer["mediaType"])
    return _described(OCI_NAMES.get(kind, kind), layer["digest"], layer["size"])


def _described(kind: str, name: str, size: int) -> Descriptor:
    return {"mediaType": kind, "digest": name, "size": size}


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
