"""CRISP-ML(Q), one file a phase; the flow that composes them is in `flows.py`."""

import os

# OpenMP reads it once, when it is first loaded. Threads that spin while they wait make LightGBM four times slower as
# soon as another program wants a core, as servers beside the pipeline do; on a quiet machine nothing is lost.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# A sum split among as many threads as there are cores has other last digits on another machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
