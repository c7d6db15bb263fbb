"""How far margins move to their examples' sides along some directions, in one read of X, in threads.

What `_curvature.gains` computes: NumPy takes one core for all that comes after the product, and BLAS threads would go on spinning
after it, in the way of the next training.
"""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends import _known_answers
from fastlr.backends._blocks import chunks_of, rows_of
from fastlr.backends._csr import Csr
from fastlr.backends._fused_rows import block_rows
from fastlr.backends._jit import block
from fastlr.backends._pieces import pieces
from fastlr.backends._products import forward
from fastlr.backends._threads import SerialOrParallel


@block
def _add_gains(z: Any, y: Any, sample_weight: Any, found: Any) -> None:
    """Of one block; z holds the margins."""
    least, largest, squares, squares_of_losses = found[0], found[1], 0.0, 0.0
    for i in range(z.size):
        gain = z[i] if y[i] else -z[i]
        if sample_weight.size == 0 or sample_weight[i] > 0.0:
            least, largest = min(least, gain), max(largest, gain)
            squares += gain * gain
            loss = min(gain, 0.0)
            squares_of_losses += loss * loss
    found[0], found[1] = least, largest
    found[2] += squares
    found[3] += squares_of_losses


def _gains(X: Any, y: Any, sample_weight: Any, directions: Any, first: int, last: int, found: Any) -> None:
    rows = block_rows(X, last - first)
    chunks = chunks_of(X, last - first, rows)
    partial = np.zeros((chunks, len(directions), 4))
    for chunk in prange(chunks):
        start, stop = rows_of(chunk, chunks, first, last, rows)
        space = np.empty(rows)
        for k in range(len(directions)):
            partial[chunk, k, 0], partial[chunk, k, 1] = np.inf, -np.inf
        for i in range(start, stop, rows):
            j = min(i + rows, stop)
            for k in range(len(directions)):
                z, along = space[:j - i], directions[k]
                z[:] = along[along.size - 1]
                forward(X, i, along, z)
                _add_gains(z, y[i:j], sample_weight[i:j], partial[chunk, k])
    for chunk in range(chunks):
        for k in range(len(directions)):
            found[k, 0] = min(found[k, 0], partial[chunk, k, 0])
            found[k, 1] = max(found[k, 1], partial[chunk, k, 1])
            found[k, 2] += partial[chunk, k, 2]
            found[k, 3] += partial[chunk, k, 3]


_entry = SerialOrParallel(_gains, _known_answers.gains)


def gains(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray,
          directions: np.ndarray) -> np.ndarray:
    """See `fastlr.backends`."""
    found = np.tile([np.inf, -np.inf, 0.0, 0.0], (len(directions), 1))
    for piece in pieces(X):
        _entry(n_threads, X, y, sample_weight, directions, *piece, found)
    return found
