"""Loss, gradient and moments in one read of X: what a solver asks first.

As `fused_rows`, with sums and squares of every column added up while a block is in cache.
"""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.chunks import chunks_of, rows_of
from fastlr.backends.compiled.fused_rows import add_block, block_rows
from fastlr.backends.compiled.moments import add_moments, empty_sums, moments_of
from fastlr.backends.compiled.threads import SerialOrParallel
from fastlr.backends.csr import Csr, numbers_of
from fastlr.backends.ranges import pieces


def _first_read(X: Any, flat: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, pivot: Any, first: int, last: int,
                sums: Any, moments: Any) -> None:
    rows = block_rows(X, last - first)
    chunks = chunks_of(X, last - first, rows)
    partial_sums, partial_moments = np.zeros((chunks, sums.size)), np.zeros((chunks, moments.size))
    for chunk in prange(chunks):
        start, stop = rows_of(chunk, chunks, first, last, rows)
        z, loss = np.empty(rows), np.empty(rows)
        for i in range(start, stop, rows):
            j = min(i + rows, stop)
            add_block(X, y, sample_weight, offset, theta, i, z[:j - i], loss[:j - i], partial_sums[chunk])
            add_moments(X, flat, i, j, sample_weight[i:j], pivot, True, partial_moments[chunk])
    for chunk in range(chunks):
        for j in range(sums.size):
            sums[j] += partial_sums[chunk, j]
        for j in range(moments.size):
            moments[j] += partial_moments[chunk, j]


_entry = SerialOrParallel(_first_read, self_test.first_read, writes=("sums", "moments"))
is_compiled = _entry.is_compiled


def cost_gradient_and_moments(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray,
                              theta: np.ndarray, pivot: np.ndarray,
                              grad: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """See `fastlr.backends`."""
    sums, moments, flat = np.zeros(theta.size + 1), empty_sums(X), numbers_of(X)
    for piece in pieces(X):
        sums_of_piece, moments_of_piece = np.zeros_like(sums), np.zeros_like(moments)
        _entry(n_threads, X, flat, y, sample_weight, offset, theta, pivot, *piece, sums_of_piece, moments_of_piece)
        sums += sums_of_piece
        moments += moments_of_piece
    grad[:] = sums[:-1]
    return float(sums[-1]), *moments_of(moments, X, sample_weight, pivot)
