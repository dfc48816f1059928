"""Fill wheels/ with all that the server's image is built from: the locked wheels for it, the project's own, and their SBOM.

The build then asks no network for anything. `make wheels` calls this; when no lock has changed it only builds the
project again (offline). A lock holds every platform; its markers are evaluated for the image, not for this machine,
because `pip download --python-version` would evaluate them for the Python that runs pip.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from sbom import software_bill

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [ROOT / "locks" / name for name in ("serving.txt", "serving-bare.txt")]
WHEELS = ROOT / "wheels"
STAMP = WHEELS / ".stamp"
# LightGBM's library loads OpenMP, which slim images lack. This wheel, of the lock as well, carries it.
OPENMP, CARRIED_BY = "libgomp.so.1", "scikit-learn"
# The image: Debian 12's Python 3.11 with glibc 2.36 on x86_64.
TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(36, 16, -1)] + [
    "manylinux2014_x86_64",
    "linux_x86_64",
]


def for_target(lock: str) -> str:
    """The lines of a lock that apply to the image, without markers."""
    kept = []
    for entry in re.sub(r"\\\n", " ", lock).splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        stated, *hashes = entry.split(" --hash=")
        wanted = Requirement(stated.strip())
        if wanted.marker is None or wanted.marker.evaluate(TARGET):
            kept.append(" --hash=".join([f"{wanted.name}{wanted.specifier}", *(h.strip() for h in hashes)]))
    return "\n".join(kept) + "\n"


def pip(*arguments: str, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | environment)


def download(requirements: str, folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chosen:
        chosen.write(requirements)
        chosen.flush()
        platforms = [f"--platform={p}" for p in PLATFORMS]
        target = ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]
        pip(
            "download",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            *platforms,
            *target,
            f"--dest={folder}",
            f"--requirement={chosen.name}",
        )


def openmp_carrier() -> str:
    """The line of the lock with the wheel that carries OpenMP."""
    lines = for_target((ROOT / "locks" / "dev.txt").read_text("utf-8")).splitlines()
    return next(f"{line}\n" for line in lines if line.startswith(f"{CARRIED_BY}=="))


def download_openmp() -> None:
    """Take the library out of that wheel; the wheel itself must not be installed."""
    with tempfile.TemporaryDirectory() as folder:
        download(openmp_carrier(), Path(folder))
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            (found,) = (name for name in files.namelist() if Path(name).name.startswith("libgomp"))
            (WHEELS / OPENMP).write_bytes(files.read(found))


def build_project() -> None:
    """The project's wheel, reproducible: no leftovers of an earlier build, the time of the last commit in it."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    for old in WHEELS.glob("tremplin-*.whl"):
        old.unlink()
    git = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    epoch = git.stdout.strip() or "315532800"  # 1980-01-01, the first day a zip file can name
    pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={WHEELS}", ".", SOURCE_DATE_EPOCH=epoch)
    shutil.rmtree(ROOT / "build", ignore_errors=True)


def main() -> int:
    requirements = "".join(for_target(lock.read_text("utf-8")) for lock in LOCKS)
    stamp = hashlib.sha256((requirements + openmp_carrier()).encode()).hexdigest()
    try:
        if not STAMP.is_file() or STAMP.read_text("utf-8") != stamp:
            print(f"wheels: downloading {len(requirements.splitlines())} locked wheels")
            shutil.rmtree(WHEELS, ignore_errors=True)
            WHEELS.mkdir()
            download(requirements, WHEELS)
            download_openmp()
            STAMP.write_text(stamp, "utf-8")
        build_project()
        (WHEELS / "sbom.cdx.json").write_text(software_bill(WHEELS, OPENMP, CARRIED_BY, TARGET), "utf-8")
    except subprocess.CalledProcessError as failure:
        print(
            f"wheels: pip {failure.cmd[5]} failed, see above; fix it and run `make wheels` again",
            file=sys.stderr,
        )
        return 1
    files = sorted(WHEELS.glob("*.whl"))
    size = sum(f.stat().st_size for f in files) / 1e6
    print(f"wheels: {len(files)} files, {size:.0f} MB in {WHEELS.name}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
