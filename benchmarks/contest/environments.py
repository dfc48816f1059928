"""An environment for each peer, of the packages that its file names; one of the server's locks for the no-op and ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from benchmarks.contest.contestant import Contestant
from tests.results import ROOT

OURS = "serving"
LOCKS = (
    ROOT / "locks" / "serving.txt",
    ROOT / "locks" / "serving-bare.txt",
)  # the second without what it needs itself
TOLD = {
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "onnxruntime", "lightgbm", "scikit-learn", "pandas",
}  # fmt: skip
LISTED = """
import json, sys
from importlib.metadata import distributions
held = {one.metadata["Name"].lower(): one.version for one in distributions()}
print(json.dumps({name: held[name] for name in sys.argv[1:] if name in held}))
"""


class Failed(Exception):
    """A contestant cannot be measured here; says why."""


def environment(contestant: Contestant, folder: Path) -> Path:
    """The ``bin`` of its environment under ``folder``, made if it is not there as it should be.

    Raises:
        Failed: it cannot be installed.
    """
    place = folder / (contestant.environment or OURS)
    wanted = "\n".join(contestant.packages or [sha256(lock.read_bytes()).hexdigest() for lock in LOCKS])
    done = place / "made-of.txt"
    if done.exists() and done.read_text("utf-8") == wanted:
        return place / "bin"
    python = place / "bin" / "python"
    uv = shutil.which("uv")
    install: list[str | Path]
    if uv:
        run(uv, "venv", "-q", "--clear", "--python", sys.executable, place)
        install = [uv, "pip", "install", "-q", "--python", python]
    else:
        run(sys.executable, "-m", "venv", "--clear", place)
        install = [python, "-m", "pip", "install", "-q"]
    if contestant.packages:
        run(*install, *contestant.packages)
    else:
        for lock in LOCKS:
            run(*install, "--no-deps", "--require-hashes", "-r", lock)
    done.write_text(wanted, "utf-8")
    return place / "bin"


def versions(contestant: Contestant, folder: Path) -> dict[str, str]:
    """What its environment holds of what matters here; first what it is named after."""
    names = [contestant.environment, *sorted(TOLD)]
    python = environment(contestant, folder) / "python"
    done = subprocess.run([python, "-c", LISTED, *names], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def run(*command: str | Path) -> None:
    """Raises Failed with the end of what it said."""
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"UV_COMPILE_BYTECODE": "1"}
    )
    if made.returncode:
        raise Failed(f"it cannot be installed: {made.stderr.strip()[-500:]}")
