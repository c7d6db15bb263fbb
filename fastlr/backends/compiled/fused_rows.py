"""Loss and gradient of a range of rows in one read of X: forward and backward pass a block at a time, while it is in cache."""

from typing import Any

import numpy as np

from fastlr.backends.compiled.jit import block, by_layout, helper
from fastlr.backends.compiled.products import backward, margins
from fastlr.backends.compiled.scalar import cross_entropy, exp_nonpositive, slope


def _cached_rows(X: Any) -> int:
    return max(8, (1 << 18) // (X.shape[1] * X.itemsize) // 8 * 8)


def _cached_columns(X: Any) -> int:
    return max(2048 // X.itemsize, min(4096 // X.itemsize, (1 << 20) // (X.shape[1] * X.itemsize) // 8 * 8))


def _cached_csr(X: Any) -> int:
    values = max(1 << 14, X.n_columns)      # of 12 bytes
    return max(8, values * (X.indptr.size - 1) // max(1, X.values.size) // 8 * 8)


_cached = by_layout(_cached_rows, _cached_columns, _cached_csr)


@helper
def block_rows(X: Any, m: int) -> int:
    """Rows a block of m rows of X: few enough to stay in cache, a multiple of 8.

    In C order, and where X is sparse, a block is a stream of 256 kB, which the L2 cache keeps.  Where X is sparse and has
    many columns, a block has as many values as columns: w and dw take turns in the cache, once a block.  In Fortran order it
    is n streams: 4 kB each while all of them fit into 1 MB of cache, but no less than 2 kB, since short streams are slow to read
    (measured for a plain sum of float32: 0.1 ns an element for whole columns, 0.25 for pieces of 256 bytes; see
    docs/speed.md).
    """
    return min(_cached(X), 1024, max(64, (m + 31) // 32 * 8))     # four even blocks at least, so that threads share a small X


@block
def _losses(z: Any, y: Any, sample_weight: Any, loss: Any) -> tuple[float, float]:
    """Turn z into dz = s (a - y) in place; return the sum of s * loss and of dz."""
    e = loss                        # two loops, in a space shared by turns: one alone would be a third slower
    for i in range(z.size):
        e[i] = exp_nonpositive(-abs(z[i]))
    for i in range(z.size):
        e_i = e[i]
        loss[i] = cross_entropy(z[i], y[i], e_i)
        z[i] = slope(z[i], y[i], e_i)
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
def add_block(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, first: int, z: Any, loss: Any, sums: Any) -> None:
    """Forward and backward pass over the rows from `first` on, as many as z and loss have room for; `sums` as below."""
    n = theta.size - 1
    last = first + z.size
    margins(X, first, theta, offset, z)
    J, db = _losses(z, y[first:last], sample_weight[first:last], loss)
    backward(X, first, z, sums)
    sums[n] += db
    sums[n + 1] += J


@helper
def sums_of_rows(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, start: int, stop: int, rows: int,
                 sums: Any) -> None:
    """Forward and backward pass over the rows start..stop; `sums` (n + 2,) becomes [dw, db, loss]."""
    z, loss = np.empty(rows), np.empty(rows)
    sums[:] = 0.0
    for first in range(start, stop, rows):
        size = min(rows, stop - first)
        add_block(X, y, sample_weight, offset, theta, first, z[:size], loss[:size], sums)
