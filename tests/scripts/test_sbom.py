"""The bill of materials is read from the wheels: what each is, what it needs there, and nothing of when it was written."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tremplin_cli import CHECKOUT

TARGET = {"sys_platform": "linux", "python_version": "3.11"}


@pytest.fixture(scope="module")
def software_bill() -> Callable[..., str]:
    spec = importlib.util.spec_from_file_location("sbom", CHECKOUT / "scripts" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., str] = module.software_bill
    return found


def wheel(folder: Path, name: str, *lines: str) -> Path:
    path = folder / f"{name.lower()}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            f"{name}-1.0.dist-info/METADATA", "\n".join([f"Name: {name}", "Version: 1.0", *lines, "", ""])
        )
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    wheel(
        tmp_path,
        "tremplin",
        "License-Expression: Apache-2.0",
        'Requires-Dist: Left.Pad>=1; extra == "serving"',
    )
    wheel(
        tmp_path,
        "lightgbm",
        "License: MIT",
        'Requires-Dist: pandas; extra == "pandas"',
        "Requires-Dist: scipy",
    )
    wheel(
        tmp_path,
        "Left.Pad",
        "Classifier: License :: OSI Approved :: BSD License",
        "Requires-Dist: lightgbm",
        'Requires-Dist: tremplin; sys_platform == "win32"',
    )
    (tmp_path / "libx.so.1").write_bytes(b"library")
    return tmp_path


def test_each_wheel_is_there_with_its_hash_its_licence_and_what_it_needs(
    software_bill: Callable[..., str], wheels: Path
) -> None:
    bill: dict[str, Any] = json.loads(software_bill(wheels, "libx.so.1", "scikit-learn", TARGET))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {part["name"]: part for part in bill["components"]}
    assert set(found) == {"tremplin", "lightgbm", "left-pad", "libx.so.1"}
    for path in wheels.glob("*.whl"):
        part = found[path.name.split("-")[0].replace(".", "-")]
        assert part["purl"] == f"pkg:pypi/{part['name']}@1.0"
        assert part["hashes"][0]["content"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["tremplin"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert found["left-pad"]["licenses"] == [{"license": {"name": "BSD License"}}]
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    assert needs["tremplin-serving"] == ["pkg:pypi/tremplin@1.0"]
    assert needs["pkg:pypi/tremplin@1.0"] == ["pkg:pypi/left-pad@1.0"]
    assert needs["pkg:pypi/left-pad@1.0"] == ["pkg:pypi/lightgbm@1.0"]
    assert needs["pkg:pypi/lightgbm@1.0"] == ["libx.so.1"]  # what is not installed is needed by nobody


def test_the_same_wheels_give_the_same_text_and_another_wheel_another(
    software_bill: Callable[..., str], wheels: Path
) -> None:
    first = software_bill(wheels, "libx.so.1", "scikit-learn", TARGET)
    assert software_bill(wheels, "libx.so.1", "scikit-learn", TARGET) == first
    assert "timestamp" not in json.loads(first)["metadata"]
    wheel(wheels, "another")
    other = software_bill(wheels, "libx.so.1", "scikit-learn", TARGET)
    assert json.loads(other)["serialNumber"] != json.loads(first)["serialNumber"]
