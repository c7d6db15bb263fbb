"""Sums and squares of every column around a pivot: alone, and in one read of X with loss and gradient, which is what a solver
asks first."""

from typing import Any

import numpy as np

from fastlr.backends.compiled.block_pass import APART, add_block, values_of_row
from fastlr.backends.compiled.chunks import MOMENT_ROWS
from fastlr.backends.compiled.jit import block, by_layout, helper

_LONG = 128                     # numbers in a row that makes a tile of its own
_SHORT = 64                     # and in a tile of shorter ones, or more

@block
def _add_tiles(x: Any, tiles: int, is_cached: bool, mu: Any, sum_1: Any, sum_2: Any) -> None:
    """Sums and squares of x - mu over so many tiles, one after the other, each as long as mu; in groups as in `block_pass`."""
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


def _moment_rows(X: Any, flat: Any, start: int, stop: int, weight: Any, pivot: Any, is_cached: bool, scratch: Any,
                 sums: Any) -> None:
    n = pivot.size
    sum_1, sum_2 = sums[:n], sums[n:]
    rest = start                            # whose rows are no whole tile
    if weight.size == 0:
        rows, mu, tile_1, tile_2 = 1, pivot, sum_1, sum_2
        if n < _LONG:                       # several rows a tile: whole vectors, however short a row is
            rows = 8 * max(1, _SHORT // (8 * n))
            size = rows * n
            mu, tile_1, tile_2 = scratch[:size], scratch[size:2 * size], scratch[2 * size:3 * size]
            tile_1[:] = 0.0
            tile_2[:] = 0.0
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


def _moment_columns(X: Any, flat: Any, start: int, stop: int, weight: Any, pivot: Any, is_cached: bool, scratch: Any,
                    sums: Any) -> None:
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


def _moment_csr(X: Any, flat: Any, start: int, stop: int, weight: Any, pivot: Any, is_cached: bool, scratch: Any,
                sums: Any) -> None:
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
"""add_moments(X, flat, start, stop, weight, pivot, is_cached, scratch, sums): of the rows start..stop, in cache or not, with
weights (stop - start,) or (0,); to sums (2 n,), or (3 n,) where X is sparse.  `flat` is `csr.numbers_of(X)`: that view is dear
to compile.  `scratch` has room for three tiles."""


@helper
def moments(X: Any, flat: Any, sample_weight: Any, pivot: Any, ranges: Any, sums: Any, scratch: Any, first: int, last: int,
            thread: int) -> None:
    """sums[k] becomes the moments of chunk k."""
    for k in range(first, last):
        sums[k] = 0.0
        for i in range(ranges[k], ranges[k + 1], MOMENT_ROWS):
            j = min(i + MOMENT_ROWS, ranges[k + 1])
            add_moments(X, flat, i, j, sample_weight[i:j], pivot, False, scratch[thread], sums[k])


@helper
def first_read(X: Any, flat: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, pivot: Any, ranges: Any, sums: Any,
               scratch: Any, rows: int, first: int, last: int, thread: int) -> None:
    """sums[k] becomes [dw, db, loss] of chunk k, (n + 2,), and behind that its moments; a block has so many rows."""
    z, loss, tiles = scratch[thread, :rows], scratch[thread, rows:2 * rows], scratch[thread, 2 * rows:]
    size = theta.size + 1
    for k in range(first, last):
        sums[k] = 0.0
        for i in range(ranges[k], ranges[k + 1], rows):
            j = min(i + rows, ranges[k + 1])
            add_block(X, y, sample_weight, offset, theta, i, z[:j - i], loss[:j - i], sums[k, :size])
            add_moments(X, flat, i, j, sample_weight[i:j], pivot, True, tiles, sums[k, size:])
