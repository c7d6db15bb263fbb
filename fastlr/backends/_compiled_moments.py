"""Sums and squares of every column around a pivot, for every compiled backend, in one read of X."""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends import _known_answers
from fastlr.backends._blocks import chunks_of, rows_of
from fastlr.backends._csr import Csr, with_zeros
from fastlr.backends._jit import by_layout
from fastlr.backends._pieces import pieces
from fastlr.backends._products import in_groups
from fastlr.backends._threads import SerialOrParallel

_ROWS = 512                     # whose weights are at hand


def _moment_rows(X: Any, start: int, weight: Any, pivot: Any, sums: Any) -> None:
    sum_1, sum_2 = sums[:pivot.size], sums[pivot.size:]
    together = in_groups(X, weight.size, 4)
    for i in range(0, together, 4):         # four rows for each time that the sums are loaded
        x0, x1, x2, x3 = X[start + i], X[start + i + 1], X[start + i + 2], X[start + i + 3]
        s0, s1, s2, s3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        for j in range(pivot.size):
            mu = pivot[j]
            d0, d1, d2, d3 = x0[j] - mu, x1[j] - mu, x2[j] - mu, x3[j] - mu
            sum_1[j] += (s0 * d0 + s1 * d1) + (s2 * d2 + s3 * d3)
            sum_2[j] += (s0 * d0 * d0 + s1 * d1 * d1) + (s2 * d2 * d2 + s3 * d3 * d3)
    for i in range(together, weight.size):
        x, s = X[start + i], weight[i]
        for j in range(pivot.size):
            d = x[j] - pivot[j]
            sum_1[j] += s * d
            sum_2[j] += s * d * d


def _moment_columns(X: Any, start: int, weight: Any, pivot: Any, sums: Any) -> None:
    sum_1, sum_2 = sums[:pivot.size], sums[pivot.size:]
    stop = start + weight.size
    for j in range(pivot.size):
        x, mu = X[start:stop, j], pivot[j]
        first = second = 0.0
        for i in range(weight.size):
            d = x[i] - mu
            first += weight[i] * d
            second += weight[i] * d * d
        sum_1[j] += first
        sum_2[j] += second


def _moment_csr(X: Any, start: int, weight: Any, pivot: Any, sums: Any) -> None:
    n = pivot.size
    sum_1, sum_2, held = sums[:n], sums[n:2 * n], sums[2 * n:]
    for i in range(weight.size):
        s = weight[i]
        for k in range(X.indptr[start + i], X.indptr[start + i + 1]):
            j = np.uintp(X.indices[k])
            d = X.values[k] - pivot[j]
            sum_1[j] += s * d
            sum_2[j] += s * d * d
            held[j] += s


_add_moments = by_layout(_moment_rows, _moment_columns, _moment_csr)


def _moments(X: Any, sample_weight: Any, pivot: Any, first: int, last: int, sums: Any) -> None:
    chunks = chunks_of(X, last - first, _ROWS)
    partial = np.zeros((chunks, sums.size))
    for chunk in prange(chunks):
        start, stop = rows_of(chunk, chunks, first, last, _ROWS)
        ones = np.ones(_ROWS)
        for i in range(start, stop, _ROWS):
            j = min(i + _ROWS, stop)
            weight = sample_weight[i:j] if sample_weight.size else ones[:j - i]
            _add_moments(X, i, weight, pivot, partial[chunk])
    for chunk in range(chunks):
        for j in range(sums.size):
            sums[j] += partial[chunk, j]


_entry = SerialOrParallel(_moments, _known_answers.moments)


def moments(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray,
            pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See `fastlr.backends`."""
    is_sparse = isinstance(X, Csr)
    sums = np.zeros((3 if is_sparse else 2) * pivot.size)
    for piece in pieces(X):
        of_piece = np.zeros_like(sums)
        _entry(n_threads, X, sample_weight, pivot, *piece, of_piece)
        sums += of_piece
    if is_sparse:
        return with_zeros(sums, pivot, float(sample_weight.sum()) if sample_weight.size else float(X.shape[0]))
    return sums[:pivot.size], sums[pivot.size:]
