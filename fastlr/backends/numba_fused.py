"""One read of X a step: forward, backward and update, a block of rows at a time while the block is in cache.

A block is small enough to stay in the processor's cache between the forward pass and the backward pass, so that
memory is read once a step and not twice.  The two products over a block are in `_products`; loss, sigmoid and dz of a
block are vector loops too.
"""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends._blocks import combine, number_of_chunks, rows_of
from fastlr.backends._compiled_descent import apply, cost_gradient_and_descend
from fastlr.backends._compiled_hessian import hessian
from fastlr.backends._compiled_moments import moments
from fastlr.backends._descent import GOING
from fastlr.backends._jit import block, helper
from fastlr.backends._products import backward, forward
from fastlr.backends._scalar import cross_entropy, exp_nonpositive, sigmoid
from fastlr.backends._threads import SerialOrParallel, prepare
from fastlr.backends._threads import limited as threads

__all__ = ["cost_gradient", "descend", "hessian", "is_compiled", "moments", "prepare", "threads"]


@helper
def _block_rows(X: Any) -> int:
    """Rows a block: few enough to stay in cache, a multiple of 8.

    In C order a block is one stream of 256 kB, which the L2 cache keeps.  In Fortran order it is n streams: 4 kB each
    while all of them fit into 1 MB of cache, but no less than 2 kB, since short streams are slow to read (measured for a
    plain sum of float32: 0.1 ns an element for whole columns, 0.25 for pieces of 256 bytes; see docs/speed.md).
    """
    m, n = X.shape
    if X.flags.c_contiguous:
        rows = max(8, (1 << 18) // (n * X.itemsize) // 8 * 8)
    else:
        rows = max(2048 // X.itemsize, min(4096 // X.itemsize, (1 << 20) // (n * X.itemsize) // 8 * 8))
    return min(rows, 1024, max(64, (m + 31) // 32 * 8))     # four even blocks at least, so that threads share a small X


@block
def _losses(z: Any, y: Any, sample_weight: Any, loss: Any) -> tuple[float, float]:
    """Turn z into dz = s (a - y) in place; return the sum of s * loss and of dz."""
    e = loss                        # two loops, in a space shared by turns: one alone would be a third slower
    for i in range(z.size):
        e[i] = exp_nonpositive(-abs(z[i]))
    for i in range(z.size):
        e_i = e[i]
        loss[i] = cross_entropy(z[i], y[i], e_i)
        z[i] = sigmoid(z[i], e_i) - y[i]
    if sample_weight.size:
        for i in range(z.size):
            loss[i] *= sample_weight[i]
            z[i] *= sample_weight[i]
    J, db = 0.0, 0.0
    for i in range(z.size):
        J += loss[i]
        db += z[i]
    return J, db


@helper
def _chunk(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, start: int, stop: int, rows: int, sums: Any) -> None:
    """Forward and backward pass over the rows start..stop; `sums` (n + 2,) becomes [dw, db, loss]."""
    n = X.shape[1]
    z_space, loss_space = np.empty(rows), np.empty(rows)
    sums[:] = 0.0
    for first in range(start, stop, rows):
        last = min(first + rows, stop)
        z, loss = z_space[:last - first], loss_space[:last - first]
        forward(X, first, theta, z)
        if offset.size:
            z += offset[first:last]
        J, db = _losses(z, y[first:last], sample_weight[first:last], loss)
        backward(X, first, z, sums)
        sums[n] += db
        sums[n + 1] += J


def _run(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, previous: Any, grad: Any, rule: Any,
         costs: Any) -> tuple[int, int]:
    m, n = X.shape
    rows = _block_rows(X)
    chunks = number_of_chunks(m, rows)
    partial = np.empty((chunks, n + 2))
    for step in range(costs.size):
        for chunk in prange(chunks):
            start, stop = rows_of(chunk, chunks, m, rows)
            _chunk(X, y, sample_weight, offset, theta, start, stop, rows, partial[chunk])
        loss = combine(partial, grad)
        status, costs[step] = apply(loss, grad, theta, previous, rule)
        if status != GOING:
            return step, status
    return costs.size, GOING


_entry = SerialOrParallel(_run)
cost_gradient, descend = cost_gradient_and_descend(_entry)
is_compiled = _entry.is_compiled
