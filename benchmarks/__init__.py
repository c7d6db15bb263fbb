"""Benchmarks of fastlr for airspeed velocity: `asv run`, `asv publish`, `asv preview`.

The suite of today runs on every commit, so fastlr is imported inside of setup, and what a commit lacks is skipped by
NotImplementedError.  asv repeats setup before every sample; the compiling in it costs time in the first alone.
"""

import numpy as np

BACKENDS = ("python", "numpy", "loop", "parallel", "fused")


def fastlr_with(backend):
    """The package fastlr, if this commit and this machine have the backend."""
    import fastlr

    reason = fastlr.available_backends().get(backend, f"this commit has no backend {backend!r}")
    if reason is not None:
        raise NotImplementedError(reason)
    return fastlr


def problem(m, n, dtype="float64", order="C"):
    """X (m, n) of standard normal columns and labels y (m,) from a logistic model; X is made in place, without a copy."""
    random = np.random.default_rng(0)
    X = random.standard_normal((m, n), dtype) if order == "C" else random.standard_normal((n, m), dtype).T
    w = random.standard_normal(n, dtype) / np.sqrt(n).astype(dtype)
    y = (random.random(m) < 1.0 / (1.0 + np.exp(-(X @ w)))).astype(np.int64)
    return X, y
