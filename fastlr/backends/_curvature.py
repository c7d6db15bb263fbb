"""Moments and Hessian for backends that have none of their own: NumPy and its BLAS, a block of rows at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlr.backends.numpy_vectorized import margins, sigmoid

_BLOCK_ELEMENTS = 1 << 17       # a megabyte of float64


def _blocks(X: Any) -> Iterator[slice]:
    m, n = X.shape
    rows = max(64, _BLOCK_ELEMENTS // n)
    for start in range(0, m, rows):
        yield slice(start, min(start + rows, m))


def moments(X: Any, y: Any, sample_weight: Any, offset: Any, pivot: Any) -> tuple[np.ndarray, np.ndarray]:
    """See `fastlr.backends`."""
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


def hessian(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any) -> np.ndarray:
    """See `fastlr.backends`."""
    n = X.shape[1]
    H = np.zeros((n + 1, n + 1))
    for rows in _blocks(X):
        root = sigmoid(margins(X[rows], offset[rows], theta))
        root *= 1.0 - root
        if sample_weight.size:
            root *= sample_weight[rows]
        np.sqrt(root, out=root)
        V = X[rows] - center
        V *= root[:, None]
        H[:n, :n] += V.T @ V
        H[n, :n] += root @ V
        H[n, n] += root @ root
    H[:n, n] = H[n, :n]
    return H
