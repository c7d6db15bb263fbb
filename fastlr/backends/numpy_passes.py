"""What a backend may have of its own, for those that have not: NumPy and its BLAS, a block of rows at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastlr.backends import logistic
from fastlr.backends.csr import Csr, as_float64, with_zeros
from fastlr.backends.numpy_vectorized import margins, row_blocks
from fastlr.backends.ranges import pieces

_BLOCK_ELEMENTS = 1 << 17       # a megabyte of float64


def _blocks(X: Any) -> Iterator[slice]:
    m, n = X.shape
    rows = max(64, _BLOCK_ELEMENTS // n)
    for start in range(0, m, rows):
        yield slice(start, min(start + rows, m))


def moments(X: Any, y: Any, sample_weight: Any, offset: Any, pivot: Any) -> tuple[np.ndarray, np.ndarray]:
    """See `fastlr.backends`."""
    if isinstance(X, Csr):
        return _sparse_moments(X, sample_weight, pivot)
    first, second = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows in _blocks(X):
        shifted = X[rows] - pivot
        if sample_weight.size:
            weighted = shifted * sample_weight[rows, None]
            first += weighted.sum(axis=0)
            second += np.einsum("ij,ij->j", weighted, shifted)
        else:
            first += shifted.sum(axis=0)
            second += np.einsum("ij,ij->j", shifted, shifted)
    return first, second


def hessian(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: float) -> np.ndarray:
    """See `fastlr.backends`."""
    if isinstance(X, Csr):
        return _sparse_hessian(X, sample_weight, offset, theta, center, floor)
    n = X.shape[1]
    H = np.zeros((n + 1, n + 1))
    for rows in _blocks(X):
        d = curvature(X[rows], sample_weight[rows], offset[rows], theta)
        d[d < floor] = 0.0
        root = np.sqrt(d)
        V = X[rows] - center
        V *= root[:, None]
        H[:n, :n] += V.T @ V
        H[n, :n] += root @ V
        H[n, n] += root @ root
    H[:n, n] = H[n, :n]
    return H


def curvature(X: Any, sample_weight: Any, offset: Any, theta: Any) -> np.ndarray:
    """s a (1 - a) of every row, (m,)."""
    d = logistic.curvature(margins(X, offset, theta))
    if sample_weight.size:
        d *= sample_weight
    return d


def hessian_product(X: Any, y: Any, sample_weight: Any, offset: Any, curvature: Any) -> Callable[[np.ndarray], np.ndarray]:
    """See `fastlr.backends`."""
    shares_memory = isinstance(X, Csr) and X.dtype == np.float64
    kept = list(_both_ways(X)) if shares_memory else None   # SciPy takes as long to make a matrix as for a small product

    def product(v: np.ndarray) -> np.ndarray:
        Hv = np.zeros(v.size)
        for rows, block, transposed in kept or _both_ways(X):
            along = block @ v[:-1]
            along += v[-1]
            along *= curvature[rows]
            Hv[:-1] += transposed @ along
            Hv[-1] += along.sum()
        return Hv

    return product


def _both_ways(X: Any) -> Iterator[tuple[slice, Any, Any]]:
    """Rows of X as float64, and transposed, a block at a time."""
    for rows in row_blocks(X):
        block = as_float64(X, rows)
        yield rows, block, block.T


def _sparse_moments(X: Csr, sample_weight: Any, pivot: Any) -> tuple[np.ndarray, np.ndarray]:
    m, n = X.shape
    weight = sample_weight if sample_weight.size else np.ones(m)
    sums = np.zeros((3, n))
    for rows in (slice(*piece) for piece in pieces(X)):
        transposed = as_float64(X, rows).T
        shifted = transposed.data - pivot[transposed.indices]
        for power, some in zip((shifted, shifted ** 2, np.ones_like(shifted)), sums, strict=True):
            transposed.data = power
            some += transposed @ weight[rows]
    return with_zeros(sums.ravel(), pivot, float(weight.sum()))


def _sparse_hessian(X: Csr, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: float) -> np.ndarray:
    """Of what is stored; the center comes in afterwards, since X - center would be dense."""
    n = X.n_columns
    H = np.zeros((n + 1, n + 1))
    for rows in (slice(*piece) for piece in pieces(X)):
        part = X.rows(rows)
        d = curvature(part, sample_weight[rows], offset[rows], theta)
        d[d < floor] = 0.0
        A = as_float64(part, slice(None))
        weighed = A.copy()
        weighed.data = A.data * part.each(d)
        H[:n, :n] += (A.T @ weighed).toarray()
        H[n, :n] += A.T @ d
        H[n, n] += d.sum()
    first = H[n, :n] - center * H[n, n]
    H[:n, :n] -= np.outer(H[n, :n], center) + np.outer(center, first)
    H[:n, n] = H[n, :n] = first
    return H
