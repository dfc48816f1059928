"""Data files that a Python package carries: found where it is installed, and noted with its version and their hashes."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from sysconfig import get_path

from tremplin.errors import TremplinError
from tremplin.sources.reading import Origin, this_reading


def package_files(package: str, *names: str) -> list[Path]:
    """Paths of the files ``names`` (relative to the package's own folder), in their order; no code of it is run.

    Raises:
        TremplinError: the package, or one of the files, is not installed.
    """
    folder = Path(get_path("purelib")) / package
    paths = [folder / name for name in names]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise TremplinError(
            f"The data package {package} is not whole: {absent[0]} is missing. Run `make setup`."
        )
    evidence = {
        name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for name, path in zip(names, paths, strict=True)
    }
    whole = hashlib.sha256(
        "".join(str(evidence[name]["sha256"]) for name in sorted(names)).encode()
    ).hexdigest()
    with this_reading() as opened:
        origin = Origin("package", f"{package} {_version(package)}".strip(), None, whole, evidence)
        if origin not in opened.origins:
            opened.origins.append(origin)
    return paths


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
