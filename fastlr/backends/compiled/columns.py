"""The columns of a table that is transposed, dense or sparse: X[j] is contiguous."""

import math
from typing import Any

import numpy as np

from fastlr.backends.compiled.block_pass import values_of_row
from fastlr.backends.compiled.chunks import PANEL_ROWS
from fastlr.backends.compiled.hessian import add_products
from fastlr.backends.compiled.jit import by_layout


def _dot_dense(X: Any, j: int, v: Any) -> float:
    x, total = X[j], 0.0
    for i in range(v.size):
        total += x[i] * v[i]
    return total


def _dot_csr(X: Any, j: int, v: Any) -> float:
    values, indices, total = X.values, X.indices, 0.0
    for k in values_of_row(X.indptr, j):
        total += values[k] * v[np.uintp(indices[k])]
    return total


def _add_dense(X: Any, j: int, c: float, v: Any) -> None:
    x = X[j]
    for i in range(v.size):
        v[i] += c * x[i]


def _add_csr(X: Any, j: int, c: float, v: Any) -> None:
    values, indices = X.values, X.indices
    for k in values_of_row(X.indptr, j):
        v[np.uintp(indices[k])] += c * values[k]


def _add_weighed_dense(X: Any, j: int, c: float, d: Any, v: Any) -> None:
    x = X[j]
    for i in range(v.size):
        v[i] += c * d[i] * x[i]


def _add_weighed_csr(X: Any, j: int, c: float, d: Any, v: Any) -> None:
    values, indices = X.values, X.indices
    for k in values_of_row(X.indptr, j):
        i = np.uintp(indices[k])
        v[i] += c * d[i] * values[k]


def _moments_dense(X: Any, j: int, dz: Any, d: Any) -> tuple[float, float, float]:
    x, g, first, second = X[j], 0.0, 0.0, 0.0
    for i in range(dz.size):
        dx = d[i] * x[i]
        g += dz[i] * x[i]
        first += dx
        second += dx * x[i]
    return g, first, second


def _moments_csr(X: Any, j: int, dz: Any, d: Any) -> tuple[float, float, float]:
    values, indices, g, first, second = X.values, X.indices, 0.0, 0.0, 0.0
    for k in values_of_row(X.indptr, j):
        i, x = np.uintp(indices[k]), values[k]
        dx = d[i] * x
        g += dz[i] * x
        first += dx
        second += dx * x
    return g, first, second


def _size_dense(X: Any, j: int) -> int:
    return X.shape[1]


def _size_csr(X: Any, j: int) -> int:
    return X.indptr[j + 1] - X.indptr[j]


def _add_hessian_dense(X: Any, held: Any, d: Any, panel: Any, H: Any) -> None:
    p, m = held.size, X.shape[1]
    for first in range(0, m, PANEL_ROWS):
        size = min(PANEL_ROWS, m - first)
        if size < PANEL_ROWS:
            panel[:] = 0.0
        for k in range(size):
            panel[p, k] = math.sqrt(d[first + k])
        root = panel[p]
        for j in range(p):
            x, row = X[held[j], first:first + size], panel[j]
            for k in range(size):
                row[k] = root[k] * x[k]
        add_products(panel, H)


def _add_hessian_csr(X: Any, held: Any, d: Any, panel: Any, H: Any) -> None:
    """Sparse columns have none: `Goal.room` is 0."""


dot = by_layout(_dot_dense, _dot_dense, _dot_csr)
"""dot(X, j, v): X[j] . v."""
add = by_layout(_add_dense, _add_dense, _add_csr)
"""add(X, j, c, v): v += c X[j]."""
add_weighed = by_layout(_add_weighed_dense, _add_weighed_dense, _add_weighed_csr)
"""add_weighed(X, j, c, d, v): v += c d X[j]."""
moments = by_layout(_moments_dense, _moments_dense, _moments_csr)
"""moments(X, j, dz, d): X[j] . dz, and the sums of d X[j] and of d X[j]^2."""
size_of = by_layout(_size_dense, _size_dense, _size_csr)
"""size_of(X, j): numbers in X[j]."""
add_hessian = by_layout(_add_hessian_dense, _add_hessian_dense, _add_hessian_csr)
"""add_hessian(X, held, d, panel, H): the lower triangle of H becomes the sum of d_i v_i v_i^T for v_i = [X[held, i], 1]."""
