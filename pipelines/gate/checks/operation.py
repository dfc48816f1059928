"""Will it do in operation what it did when it was trained."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

from pipelines.gate.material import CheckFunction, Material
from pipelines.verdict import Check
from tremplin.code_version import code_version
from tremplin.errors import TremplinError
from tremplin.frame import model_columns
from tremplin.target import Task

MEGABYTE = 1_000_000
MANY = 1_000  # rows of one request at most, as a batch client sends them
CALLS = 20  # of one row: the fastest is taken, which other work on the machine disturbs least

# Loads a model in a process of its own and prints the most kilobytes that the process held. Where there is
# /proc it is asked: a child's ru_maxrss begins at that of the process it was forked from. (macOS has no /proc, and gives bytes.)
LOADER = """
import pathlib, resource, sys
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def parity(material: Material) -> Check:
    """The exported model is the trained one, on every evaluation row."""
    limit, gaps = material.pilot.file.gate.parity_limit, np.abs(material.scores - material.trained)
    worst = float(gaps.max())
    return Check(
        id="parity",
        requirement="Largest difference of an answer between model.onnx and the trained pipeline"
        + (", as a share of the target's range" if material.task is Task.REGRESSION else ""),
        value=worst,
        limit=limit,
        passed=worst <= limit,
        evidence=f"{int((~(gaps <= limit)).sum()):,} of {len(gaps):,} rows differ by more than the limit",
        source="model.onnx and pipeline.pkl on evaluation.parquet; pilot.yaml gate.parity_limit",
    )


def size(material: Material) -> Check:
    """The release fits in an image layer and on the line to an offline site."""
    limit, value = material.pilot.file.gate.size_limit_mb, material.model_path.stat().st_size / MEGABYTE
    return Check(
        id="size",
        requirement="Size of model.onnx, in megabytes: nearly all of a release",
        value=value,
        limit=limit,
        passed=value <= limit,
        evidence=f"{value:.2f} MB",
        source="model.onnx; pilot.yaml gate.size_limit_mb",
    )


def latency(material: Material) -> Check:
    """One row is answered while a person waits, and a thousand of them before a client gives up."""
    limit = material.pilot.file.gate.latency_limit_ms
    one = min(_milliseconds(material, 1) for _ in range(CALLS))
    many = min(_milliseconds(material, MANY) for _ in range(2)) / MANY
    value = max(one, many)
    return Check(
        id="latency",
        requirement="Time to score one row, alone and as one of a thousand, in milliseconds with one thread",
        value=_repeatable(value, limit),
        limit=limit,
        passed=value <= limit,
        evidence="measured here; the time of one row is in the run's metrics, as latency_one_row_ms",
        source="model.onnx on evaluation.parquet; pilot.yaml gate.latency_limit_ms",
    )


def memory(material: Material) -> Check:
    """A server holds three releases at once: champion, challenger and the previous one."""
    limit = material.pilot.file.gate.memory_limit_mb
    command = [sys.executable, "-c", LOADER, str(material.model_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TremplinError(f"{material.model_path} cannot be loaded in a process of its own: {done.stderr}")
    value = int(done.stdout) * 1024 / MEGABYTE
    return Check(
        id="memory",
        requirement="Memory of a process with ONNX Runtime and the model, at most, in megabytes",
        value=_repeatable(value, limit),
        limit=limit,
        passed=value <= limit,
        evidence="measured here, in a process of its own",
        source="model.onnx; pilot.yaml gate.memory_limit_mb",
    )


def clean_code(material: Material) -> Check:
    """Outside development a model is made by committed code, or nobody can ever make it again."""
    if material.settings.environment == "development":
        passed, said = True, "changes are tolerated in development; the version says whether there are any"
    else:
        commit, dirty = code_version(material.settings)
        passed, said = (
            not dirty,
            f"the code {'differs from' if dirty else 'is that of'} the commit {commit[:12]}",
        )
    return Check(
        id="clean-code",
        requirement="Outside development, the code is that of a commit",
        value=None,
        limit=None,
        passed=passed,
        evidence=said,
        source="git, or TREMPLIN_COMMIT and TREMPLIN_DIRTY where there is none",
    )


def _milliseconds(material: Material, rows: int) -> float:
    columns = model_columns(material.frame.iloc[np.arange(rows) % len(material.frame)])
    begun = time.perf_counter()
    material.model.score(columns)
    return (time.perf_counter() - begun) * 1000


def _repeatable(value: float, limit: float) -> float | None:
    """What is told of a time or of memory, which differ from call to call: nothing within the limit, beyond it one digit.

    The same files must give the same verdict.
    """
    return None if value <= limit else float(f"{value:.0e}")


CHECKS: list[CheckFunction] = [parity, size, latency, memory, clean_code]
