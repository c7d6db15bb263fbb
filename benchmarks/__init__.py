"""Benchmarks of fastlr for airspeed velocity, a file a subject; docs/benchmarks.md says how to run them.

    kernels     one step of gradient descent: its time, its speed-ups, its reads of X
    training    from the call of train to the model
    optimum     to the optimum: time, reads of X, scikit-learn beside it
    start_up    imports and first models of a fresh interpreter
    calls       what people call, with all defaults: train, cold and warm, predict, the estimator, standard errors
    elastic_net one l1 penalty, a path, with ten folds, of several classes
    scaling     how a step depends on dtype, order, size and threads
    memory      what training takes beyond X
    classes     a step by the number of classes
    sparse      a step and the optimum on sparse X
    distributed_data    a step on a Dask array
    streaming   a step on a file that is read for it
    partial_fit a batch of the estimator's, and one pass beside scikit-learn's SGDClassifier

The first six are the core, of which the history in benchmarks/results is made (`history.py`).  `compare.py` compares two
commits, `chart.py` draws the README's chart, `page.py` writes the page of the history.

The suite of today runs on every commit, so fastlr is imported inside of setup, and what a commit lacks is skipped by
NotImplementedError.  asv repeats setup before every sample; the compiling in it costs time in the first alone.
"""

import textwrap
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


def fastlr_to_the_optimum():
    """The package fastlr, if this commit finds the optimum by default."""
    import fastlr

    if not hasattr(fastlr.solvers, "DEFAULT_MAX_ITER"):
        raise NotImplementedError("this commit has gradient descent alone")
    return fastlr


def without_cache(program):
    """A program in Python that runs with an empty compile cache of its own, and removes it."""
    return f"""
import os, tempfile
with tempfile.TemporaryDirectory() as directory:
    os.environ["FASTLR_CACHE_DIR"] = directory
{textwrap.indent(program, "    ")}"""


def problem(m, n, dtype="float64", order="C"):
    """X (m, n) of standard normal columns and labels y (m,) from a logistic model; X is made in place, without a copy."""
    random = np.random.default_rng(0)
    X = random.standard_normal((m, n), dtype) if order == "C" else random.standard_normal((n, m), dtype).T
    w = random.standard_normal(n, dtype) / np.sqrt(n).astype(dtype)
    y = (random.random(m) < 1.0 / (1.0 + np.exp(-(X @ w)))).astype(np.int64)
    return X, y


def seconds(call):
    """Time of one call."""
    start = perf_counter()
    call()
    return perf_counter() - start


def seconds_a_step(fastlr, X, y, steps, pairs=5, **options):
    """Least time of one step of gradient descent.

    It is the slope between a run of one step and a run of many: checking X and y, the same in both, cancels out.
    """
    def run(max_iter):
        return seconds(lambda: fastlr.train(X, y, learning_rate=1e-6, max_iter=max_iter, **options))

    run(2)
    few, many = zip(*((run(1), run(1 + steps)) for _ in range(pairs)), strict=True)
    return (min(many) - min(few)) / steps


def seconds_a_read(X, threads):
    """Least time of summing all of X with so many threads: what a step can't be faster than."""
    import numba

    @numba.njit(parallel=True, fastmath={"reassoc", "contract"})
    def read_once(flat):
        total = 0.0
        for i in numba.prange(flat.size):
            total += flat[i]
        return total

    numba.set_num_threads(threads)
    flat = X.ravel(order="K")
    read_once(flat)
    return min(seconds(lambda: read_once(flat)) for _ in range(20))
