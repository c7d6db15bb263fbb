"""Margins and probabilities of many rows in one read of X, in threads.

What `numpy_vectorized.predict` computes, up to the last bits: NumPy takes one core for all that comes after the product.
"""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.chunks import number_of_chunks, rows_of
from fastlr.backends.compiled.jit import block, by_layout, helper
from fastlr.backends.compiled.products import margins as margins_of_rows
from fastlr.backends.compiled.scalar import exp_nonpositive
from fastlr.backends.compiled.threads import SerialOrParallel, limited
from fastlr.backends.csr import Csr
from fastlr.backends.ranges import pieces


def _short(X: Any) -> int:
    return 64


def _long(X: Any) -> int:
    return 4096


_most_rows = by_layout(_short, _long, _short)


@helper
def _block_rows(X: Any, m: int) -> int:
    """Rows a block of m rows of X.

    Where X is a stream of rows, so few that the processor goes on reading ahead while it takes exponentials.  In Fortran order,
    where a block is a stream for each column, as many as have their margins in the L1 cache.
    """
    return min(_most_rows(X), max(64, (m + 31) // 32 * 8))      # four even blocks at least, so that threads share a small X


@block
def _probabilities(z: Any, e: Any, both: Any) -> None:
    """1 - sigma(z) and sigma(z); e is space for e^-|z|."""
    for i in range(z.size):
        e[i] = exp_nonpositive(-abs(z[i]))
    for i in range(z.size):
        larger = 1.0 / (1.0 + e[i])
        smaller = e[i] * larger
        is_second = z[i] >= 0.0
        both[i, 0] = smaller if is_second else larger
        both[i, 1] = larger if is_second else smaller


@block
def _nothing(z: Any) -> float:
    """0, or NaN where a number is not finite."""
    nothing = 0.0
    for i in range(z.size):
        nothing += z[i] - z[i]
    return nothing


@helper
def _predict_rows(X: Any, offset: Any, theta: Any, start: int, stop: int, rows: int, margins: Any, both: Any) -> float:
    """The rows start..stop; returns `_nothing` of their margins."""
    z_space, e_space = np.empty(rows), np.empty(rows)
    nothing = 0.0
    for first in range(start, stop, rows):
        last = min(first + rows, stop)
        z = margins[first:last] if margins.size else z_space[:last - first]
        margins_of_rows(X, first, theta, offset, z)
        nothing += _nothing(z)
        if both.size:
            _probabilities(z, e_space[:last - first], both[first:last])
    return nothing


def _predict(X: Any, offset: Any, theta: Any, first: int, last: int, margins: Any, both: Any) -> bool:
    rows = _block_rows(X, last - first)
    chunks = number_of_chunks(last - first, rows)
    nothing = np.empty(chunks)
    for chunk in prange(chunks):
        start, stop = rows_of(chunk, chunks, first, last, rows)
        nothing[chunk] = _predict_rows(X, offset, theta, start, stop, rows, margins, both)
    return nothing.sum() == 0.0


_entry = SerialOrParallel(_predict, self_test.predictions, writes=("margins", "both"))
is_compiled = _entry.is_compiled


def predict(X: np.ndarray | Csr, offset: np.ndarray, theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for the rows of X as `fastlr.backends.choice.predictor` says."""
    m = X.shape[0]
    margins, both = np.empty(0 if as_probabilities else m), np.empty((m if as_probabilities else 0, 2))
    with limited(None, X.size) as n_threads:
        are_finite = [_entry(n_threads, X, offset, theta, *piece, margins, both) for piece in pieces(X)]
    return both if as_probabilities else margins, all(are_finite)
