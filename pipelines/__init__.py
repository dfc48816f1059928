"""CRISP-ML(Q), one file a phase; the flow that composes them is in `flows.py`."""
