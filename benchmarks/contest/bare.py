"""Bare ONNX Runtime on batches, one thread, no server: rows a second, on stdout.

python -m benchmarks.contest.bare FOLDER ROWS SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime


def main() -> None:
    """Arrays that are ready, over and over."""
    folder, count, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    rows = json.loads((folder / "rows.json").read_text("utf-8"))[:count]
    feed = {}
    for one in json.loads((folder / "columns.json").read_text("utf-8")):
        if one["feature"]:
            values = [row[one["name"]] for row in rows]
            array = np.array(values, dtype=object if one["kind"] == "string" else np.float32)
            feed[one["name"]] = array.reshape(-1, 1)
    output = [session.get_outputs()[-1].name]
    session.run(output, feed)
    begun, done = time.perf_counter(), 0
    while (taken := time.perf_counter() - begun) < seconds:
        session.run(output, feed)
        done += len(rows)
    print(done / taken)


if __name__ == "__main__":
    main()
