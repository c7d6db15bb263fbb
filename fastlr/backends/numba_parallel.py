"""The compiled loop over examples in parallel: each thread takes chunks of rows."""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import chunks, native, self_test
from fastlr.backends.compiled.chunks import Matrix
from fastlr.backends.compiled.descent import apply, combine, gradient_and_descent
from fastlr.backends.compiled.passes import Rows, hessian, hessian_product, moments
from fastlr.backends.compiled.threading_layer import SerialOrParallel
from fastlr.backends.compiled.threading_layer import limited as threads
from fastlr.backends.descent import GOING
from fastlr.backends.numba_loop import add_examples

__all__ = ["cost_gradient", "descend", "hessian", "hessian_product", "moments", "prepare", "threads"]

# Rows of which every chunk but the last is a multiple.
_BLOCK = 64


def _run(X: Any, y: Any, sample_weight: Any, offset: Any, ranges: Any, theta: Any, previous: Any, grad: Any, rule: Any,
         record: Any) -> tuple[int, int]:
    partial = np.empty((ranges.size - 1, theta.size + 1))
    for step in range(len(record)):
        for chunk in prange(partial.shape[0]):
            partial[chunk] = 0.0
            partial[chunk, theta.size] = add_examples(X, y, sample_weight, offset, theta, ranges[chunk], ranges[chunk + 1],
                                                      partial[chunk, :theta.size])
        loss = combine(partial, grad)
        status, record[step, 0], record[step, 1] = apply(loss, grad, theta, previous, rule)
        if status != GOING:
            return step, status
    return len(record), GOING


_entry = SerialOrParallel(_run, self_test.descent_in_chunks, writes=("theta", "previous", "grad", "record"))


def prepare(X: Matrix, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, n_threads: int) -> tuple[Rows]:
    """What the passes take first."""
    return (Rows(native.function, X, y, sample_weight, offset, n_threads),)


def _on_rows(rows: Rows, first: int, last: int, *rest: Any) -> tuple[int, int]:
    count = chunks.gradient_chunks(rows.X, last - first, _BLOCK)
    ranges = chunks.ranges(first, last, count, _BLOCK)
    updates, status = _entry(rows.allowed_threads, rows.X, rows.y, rows.sample_weight, rows.offset, ranges, *rest)
    return updates, status


cost_gradient, descend = gradient_and_descent(_on_rows, lambda rows: rows.X)
