"""Benchmarks of fastlr for airspeed velocity: `asv run`, `asv publish`, `asv preview`.

The suite of today runs on every commit, so fastlr is imported inside of setup, and what a commit lacks is skipped by
NotImplementedError.  asv repeats setup before every sample; the compiling in it costs time in the first alone.
"""

from statistics import median
from time import perf_counter

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


def seconds_a_step(fastlr, X, y, steps, pairs=5, **options):
    """Time of one step of gradient descent, least and median of several pairs of runs.

    It is the slope between a run of one step and a run of many: checking X and y, the same in both, cancels out.
    """
    def seconds(max_iter):
        start = perf_counter()
        fastlr.train(X, y, learning_rate=1e-6, max_iter=max_iter, **options)
        return perf_counter() - start

    seconds(2)
    each = [(seconds(1 + steps) - seconds(1)) / steps for _ in range(pairs)]
    return min(each), median(each)
