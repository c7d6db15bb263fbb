"""Sums and squares of every column around a pivot, for every compiled backend, in one read of X."""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.chunks import chunks_of, rows_of
from fastlr.backends.compiled.jit import block, by_layout
from fastlr.backends.compiled.products import APART, values_of_row
from fastlr.backends.compiled.threads import SerialOrParallel
from fastlr.backends.csr import Csr, numbers_of, with_zeros
from fastlr.backends.ranges import pieces

_ROWS = 512                     # a block; a chunk has a whole number of them
_LONG = 128                     # numbers in a row that makes a tile of its own
_SHORT = 64                     # and in a tile of shorter ones, or more


@block
def _add_tiles(x: Any, tiles: int, is_cached: bool, mu: Any, sum_1: Any, sum_2: Any) -> None:
    """Sums and squares of x - mu over so many tiles, one after the other, each as long as mu; in groups as in `products`."""
    size = mu.size
    together = tiles - tiles % 4 if is_cached or size * x.itemsize >= APART else 0
    for tile in range(0, together, 4):      # four for each time that the sums are loaded
        x0, x1 = x[tile * size:(tile + 1) * size], x[(tile + 1) * size:(tile + 2) * size]
        x2, x3 = x[(tile + 2) * size:(tile + 3) * size], x[(tile + 3) * size:(tile + 4) * size]
        for k in range(size):
            d0, d1, d2, d3 = x0[k] - mu[k], x1[k] - mu[k], x2[k] - mu[k], x3[k] - mu[k]
            sum_1[k] += (d0 + d1) + (d2 + d3)
            sum_2[k] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
    for tile in range(together, tiles):
        x0 = x[tile * size:(tile + 1) * size]
        for k in range(size):
            d = x0[k] - mu[k]
            sum_1[k] += d
            sum_2[k] += d * d


@block
def _add_rows(X: Any, start: int, stop: int, weight: Any, pivot: Any, sum_1: Any, sum_2: Any) -> None:
    for i in range(start, stop):
        x, s = X[i], weight[i - start] if weight.size else 1.0
        for j in range(pivot.size):
            d = x[j] - pivot[j]
            sum_1[j] += s * d
            sum_2[j] += s * d * d


def _moment_rows(X: Any, flat: Any, start: int, stop: int, weight: Any, pivot: Any, is_cached: bool, sums: Any) -> None:
    n = pivot.size
    sum_1, sum_2 = sums[:n], sums[n:]
    rest = start                            # whose rows are no whole tile
    if weight.size == 0:
        rows, mu, tile_1, tile_2 = 1, pivot, sum_1, sum_2
        if n < _LONG:                       # several rows a tile: whole vectors, however short a row is
            rows = 8 * max(1, _SHORT // (8 * n))
            size = rows * n
            space = np.zeros(3 * size)
            mu, tile_1, tile_2 = space[:size], space[size:2 * size], space[2 * size:]
            for i in range(0, size, n):
                for j in range(n):
                    mu[i + j] = pivot[j]
        tiles = (stop - start) // rows
        rest = start + tiles * rows
        _add_tiles(flat[start * n:rest * n], tiles, is_cached, mu, tile_1, tile_2)
        if n < _LONG:
            for i in range(0, mu.size, n):
                for j in range(n):
                    sum_1[j] += tile_1[i + j]
                    sum_2[j] += tile_2[i + j]
    _add_rows(X, rest, stop, weight, pivot, sum_1, sum_2)


def _moment_columns(X: Any, flat: Any, start: int, stop: int, weight: Any, pivot: Any, is_cached: bool, sums: Any) -> None:
    sum_1, sum_2 = sums[:pivot.size], sums[pivot.size:]
    for j in range(pivot.size):
        x, mu = X[start:stop, j], pivot[j]
        first = second = 0.0
        if weight.size:
            for i in range(x.size):
                d = x[i] - mu
                first += weight[i] * d
                second += weight[i] * d * d
        else:
            for i in range(x.size):
                d = x[i] - mu
                first += d
                second += d * d
        sum_1[j] += first
        sum_2[j] += second


def _moment_csr(X: Any, flat: Any, start: int, stop: int, weight: Any, pivot: Any, is_cached: bool, sums: Any) -> None:
    n = pivot.size
    sum_1, sum_2, held = sums[:n], sums[n:2 * n], sums[2 * n:]
    for i in range(start, stop):
        s = weight[i - start] if weight.size else 1.0
        for k in values_of_row(X.indptr, i):
            j = np.uintp(X.indices[k])
            d = X.values[k] - pivot[j]
            sum_1[j] += s * d
            sum_2[j] += s * d * d
            held[j] += s


add_moments = by_layout(_moment_rows, _moment_columns, _moment_csr)
"""add_moments(X, flat, start, stop, weight, pivot, is_cached, sums): of the rows start..stop, in cache or not, with weights
(stop - start,) or (0,); to sums (2 n,), or (3 n,) where X is sparse.  `flat` is `csr.numbers_of(X)`: that view is dear to
compile."""


def _moments(X: Any, flat: Any, sample_weight: Any, pivot: Any, first: int, last: int, sums: Any) -> None:
    chunks = chunks_of(X, last - first, _ROWS)
    partial = np.zeros((chunks, sums.size))
    for chunk in prange(chunks):
        start, stop = rows_of(chunk, chunks, first, last, _ROWS)
        for i in range(start, stop, _ROWS):
            j = min(i + _ROWS, stop)
            add_moments(X, flat, i, j, sample_weight[i:j], pivot, False, partial[chunk])
    for chunk in range(chunks):
        for j in range(sums.size):
            sums[j] += partial[chunk, j]


_entry = SerialOrParallel(_moments, self_test.moments, writes=("sums",))
is_compiled = _entry.is_compiled


def moments(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray,
            pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See `fastlr.backends`."""
    sums, flat = empty_sums(X), numbers_of(X)
    for piece in pieces(X):
        of_piece = np.zeros_like(sums)
        _entry(n_threads, X, flat, sample_weight, pivot, *piece, of_piece)
        sums += of_piece
    return moments_of(sums, X, sample_weight, pivot)


def empty_sums(X: np.ndarray | Csr) -> np.ndarray:
    """What `add_moments` adds to, before any row."""
    return np.zeros((3 if isinstance(X, Csr) else 2) * X.shape[1])


def moments_of(sums: np.ndarray, X: np.ndarray | Csr, sample_weight: np.ndarray,
               pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The moments (n,) each, once all rows are added to sums."""
    if isinstance(X, Csr):
        return with_zeros(sums, pivot, float(sample_weight.sum()) if sample_weight.size else float(X.shape[0]))
    return sums[:pivot.size], sums[pivot.size:]
