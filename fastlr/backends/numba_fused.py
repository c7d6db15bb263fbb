"""One read of X a step: forward, backward and update, a block of rows at a time while the block is in cache.

A block is small enough to stay in the processor's cache between the forward pass and the backward pass, so that
memory is read once a step and not twice.  The two products over a block are in `compiled.products`; loss, sigmoid and dz of a
block are vector loops too.
"""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.chunks import chunks_of, combine, rows_of
from fastlr.backends.compiled.descent import apply, cost_gradient_and_descend
from fastlr.backends.compiled.first_read import cost_gradient_and_moments
from fastlr.backends.compiled.fused_rows import block_rows, sums_of_rows
from fastlr.backends.compiled.hessian import hessian
from fastlr.backends.compiled.hessian_product import hessian_product
from fastlr.backends.compiled.jit import shape_of
from fastlr.backends.compiled.moments import moments
from fastlr.backends.compiled.quasi_newton import quasi_newton
from fastlr.backends.compiled.threads import SerialOrParallel, prepare
from fastlr.backends.compiled.threads import limited as threads
from fastlr.backends.descent import GOING

__all__ = ["cost_gradient", "cost_gradient_and_moments", "descend", "hessian", "hessian_product",
           "is_compiled", "moments", "prepare", "quasi_newton", "threads"]


def _run(X: Any, y: Any, sample_weight: Any, offset: Any, first: int, last: int, theta: Any, previous: Any, grad: Any,
         rule: Any, record: Any) -> tuple[int, int]:
    _, n = shape_of(X)
    rows = block_rows(X, last - first)
    chunks = chunks_of(X, last - first, rows)
    partial = np.empty((chunks, n + 2))
    for step in range(len(record)):
        for chunk in prange(chunks):
            start, stop = rows_of(chunk, chunks, first, last, rows)
            sums_of_rows(X, y, sample_weight, offset, theta, start, stop, rows, partial[chunk])
        loss = combine(partial, grad)
        status, record[step, 0], record[step, 1] = apply(loss, grad, theta, previous, rule)
        if status != GOING:
            return step, status
    return len(record), GOING


_entry = SerialOrParallel(_run, self_test.descent, writes=("theta", "previous", "grad", "record"))
cost_gradient, descend = cost_gradient_and_descend(_entry)
is_compiled = _entry.is_compiled
