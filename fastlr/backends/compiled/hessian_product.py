"""The product of the Hessian and a vector in one read of X, for every compiled backend: what conjugate gradients ask for."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.chunks import chunks_of, rows_of
from fastlr.backends.compiled.fused_rows import block_rows
from fastlr.backends.compiled.jit import helper, shape_of
from fastlr.backends.compiled.products import backward, forward
from fastlr.backends.compiled.threads import SerialOrParallel
from fastlr.backends.csr import Csr
from fastlr.backends.ranges import pieces


@helper
def _product_of_rows(X: Any, curvature: Any, v: Any, start: int, stop: int, rows: int, sums: Any) -> None:
    _, n = shape_of(X)
    space = np.empty(rows)
    sums[:] = 0.0
    for first in range(start, stop, rows):
        last = min(first + rows, stop)
        along = space[:last - first]
        along[:] = v[n]
        forward(X, first, v, along)
        total = 0.0
        for i in range(along.size):
            along[i] *= curvature[first + i]
            total += along[i]
        backward(X, first, along, sums)
        sums[n] += total


def _product(X: Any, curvature: Any, v: Any, first: int, last: int, sums: Any) -> None:
    rows = block_rows(X, last - first)
    chunks = chunks_of(X, last - first, rows)
    partial = np.empty((chunks, sums.size))
    for chunk in prange(chunks):
        start, stop = rows_of(chunk, chunks, first, last, rows)
        _product_of_rows(X, curvature, v, start, stop, rows, partial[chunk])
    for chunk in range(chunks):
        for j in range(sums.size):
            sums[j] += partial[chunk, j]


_entry = SerialOrParallel(_product, self_test.hessian_product, writes=("sums",))


def hessian_product(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray,
                    curvature: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """See `fastlr.backends`."""
    def product(v: np.ndarray) -> np.ndarray:
        sums = np.zeros(v.size)
        for piece in pieces(X):
            _entry(n_threads, X, curvature, v, *piece, sums)
        return sums

    return product
