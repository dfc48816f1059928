"""The software bill of materials of the server's image, in CycloneDX's JSON: every package, its file's hash, its licence."""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT, USES_LIBRARY, IMAGE = "tremplin", "lightgbm", "tremplin-serving"


def software_bill(wheels: Path, library: str, carrier: str, target: dict[str, str]) -> str:
    """What is installed from the folder ``wheels``. The same files give the same text: it holds no time and no random number.

    Args:
        library: a shared library that lies beside the wheels and is installed alone.
        carrier: the package that it was taken from.
        target: the environment that markers are evaluated for.
    """
    described = {wheel: _metadata(wheel) for wheel in sorted(wheels.glob("*.whl"))}
    packages = {component.name: component for component in map(_package, described, described.values())}
    carried = _library(wheels / library, carrier)
    project = packages[PROJECT]
    image = Component(
        name=IMAGE,
        version=project.version,
        type=ComponentType.CONTAINER,
        bom_ref=IMAGE,
        licenses=project.licenses,
    )
    bill = Bom(components=[*packages.values(), carried], metadata=BomMetaData(component=image))
    bill.register_dependency(image, [project])
    for metadata in described.values():
        name = canonicalize_name(str(metadata["Name"]))
        needed = [packages[n] for n in sorted(_needed(metadata, target)) if n in packages]
        bill.register_dependency(packages[name], [*needed, carried] if name == USES_LIBRARY else needed)
    written = json.loads(JsonV1Dot6(bill).output_as_string())
    del written["metadata"]["timestamp"], written["serialNumber"]
    known = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
    written["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, known)}"
    return json.dumps(written, indent=1, sort_keys=True) + "\n"


def _needed(metadata: Message, target: dict[str, str]) -> set[str]:
    """What a package asks for in the target's environment; the project, with what its server needs."""
    extra = "serving" if metadata["Name"] == PROJECT else ""
    wanted = map(Requirement, metadata.get_all("Requires-Dist", []))
    return {
        canonicalize_name(r.name)
        for r in wanted
        if r.marker is None or r.marker.evaluate(target | {"extra": extra})
    }


def _package(wheel: Path, metadata: Message) -> Component:
    name, version = canonicalize_name(str(metadata["Name"])), str(metadata["Version"])
    address = PackageURL("pypi", name=name, version=version)
    licence = _licence(metadata)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=address,
        bom_ref=str(address),
        hashes=[_hash(wheel)],
        licenses=[licence] if licence else [],
    )


def _library(file: Path, carrier: str) -> Component:
    return Component(
        name=file.name,
        type=ComponentType.LIBRARY,
        bom_ref=file.name,
        description=f"OpenMP runtime of GCC, from the wheel of {carrier}",
        hashes=[_hash(file)],
        licenses=[LicenseFactory().make_with_expression("GPL-3.0-or-later WITH GCC-exception-3.1")],
    )


def _hash(file: Path) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(file.read_bytes()).hexdigest())


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (n for n in files.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        return message_from_bytes(files.read(name))


def _licence(metadata: Message) -> License | None:
    """As the package states it: an SPDX expression, a name in one line, or the classifiers."""
    make = LicenseFactory()
    if expression := metadata["License-Expression"]:
        return make.make_from_string(expression)
    stated = str(metadata["License"] or "").strip()
    classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    if classifiers:
        return make.make_with_name("; ".join(c.rpartition(" :: ")[2] for c in classifiers))
    return make.make_from_string(stated) if stated and "\n" not in stated else None
