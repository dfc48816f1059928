"""Reproducible measurements; each prints its machine, and ratios are of one run."""
