"""How long the demo takes and how much memory it needs, all its processes together.

Plays ``tremplin demo`` in a fresh clone of this checkout (nothing is restored from a cache), and samples the proportional set
size of the whole process tree every half second: memory that two processes share counts once.

    python -m benchmarks.demo
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.machine import machine

SAMPLE_SECONDS = 0.5


def main() -> None:
    """Play, sample, print."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(Path.cwd()), folder], check=True)
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": folder}
        begun = time.perf_counter()
        demo = subprocess.Popen(
            [sys.executable, "-m", "tremplin.cli", "demo"], cwd=folder, env=os.environ | path
        )
        peak = 0
        while demo.poll() is None:
            peak = max(peak, memory(demo.pid))
            time.sleep(SAMPLE_SECONDS)
        taken = time.perf_counter() - begun
    if demo.returncode:
        raise SystemExit("the demo failed; its error is above")
    print(
        json.dumps(
            {"machine": machine(), "seconds": round(taken, 1), "peak_memory_gib": round(peak / 2**30, 2)}
        )
    )


def memory(pid: int) -> int:
    """Bytes that the process and its descendants hold now."""
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in tree:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it ended meanwhile
    return total


if __name__ == "__main__":
    main()
