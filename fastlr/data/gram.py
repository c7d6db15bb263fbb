"""Gram matrices of rows and of columns: the largest curvature that J can have, and m features in place of n > m."""

from collections.abc import Callable, Iterator

import numpy as np

from fastlr.backends import numpy_passes, numpy_vectorized
from fastlr.backends.csr import Csr
from fastlr.backends.ranges import blocks
from fastlr.data.dataset import Dataset, InMemory, summed
from fastlr.machine import blas
from fastlr.machine.arrays import read_only

_BLOCK_BYTES = 1 << 20          # Bytes of X that are made float64 at a time.
_MOST_SIDE = 1024               # Up to so many rows or columns, their Gram matrix is cheap against the steps it saves.


def largest_eigenvalue(data: Dataset, fit_intercept: bool) -> float:
    """An upper bound of the largest eigenvalue of sum_i s_i [x_i, 1] [x_i, 1]^T.

    It is at most a ninth above it where X has fewer than 1024 columns, or in memory at most 1024 rows and no fewer columns: the
    smaller Gram matrix has the same eigenvalues.  Else it is the trace, which is larger by at most the rank of X.
    """
    m, n = data.shape
    if isinstance(data, InMemory) and m <= min(n, _MOST_SIDE):
        root = np.sqrt(data.weights)
        return blas.largest_eigenvalue((gram_of_rows(data.X) + float(fit_intercept)) * np.outer(root, root))
    if n >= _MOST_SIDE:
        return data.reduce(trace, fit_intercept)
    return blas.largest_eigenvalue(data.reduce(gram_of_columns, fit_intercept))


@summed
def gram_of_columns(part: InMemory, fit_intercept: bool) -> np.ndarray:
    """sum_i s_i [x_i, 1] [x_i, 1]^T, (n + 1, n + 1) float64; zeros in place of the ones without intercept."""
    X, n = part.X, part.shape[1]
    if isinstance(X, Csr):                      # a Hessian at margins of 0, where curvatures are 1/4 of the weights
        gram = numpy_passes.hessian(X, part.y, 4.0 * part.weights, np.empty(0), np.zeros(n + 1), np.zeros(n), 0.0)
        gram[-1] *= fit_intercept
        gram[:-1, -1] *= fit_intercept
        return gram
    gram = np.zeros((n + 1, n + 1))
    for block, weight in _blocks(X, part.weights):
        rows = np.column_stack([block, np.full(len(block), float(fit_intercept))])
        rows *= np.sqrt(weight)[:, None]
        gram += rows.T @ rows
    return gram


@summed
def trace(part: InMemory, fit_intercept: bool) -> float:
    """The trace of `gram_of_columns`."""
    X = part.X
    if isinstance(X, Csr):
        weight, (_, values) = part.weights, X.stored()
        return float(X.each(weight) @ np.square(values, dtype=np.float64)) + fit_intercept * float(weight.sum())
    return sum(float(weight @ (np.square(block).sum(axis=1) + fit_intercept)) for block, weight in _blocks(X, part.weights))


def _blocks(X: np.ndarray, weights: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows as float64 with their weights, about a megabyte at a time."""
    m, n = X.shape
    for rows in blocks(m, max(1, _BLOCK_BYTES // (8 * n))):
        yield X[rows].astype(np.float64, copy=False), weights[rows]


def in_row_space(data: InMemory) -> tuple[InMemory, Callable[[np.ndarray], np.ndarray]]:
    """Make m features that have the margins of n > m features, and a function that turns their w into one for X.

    With l2 the optimum w lies in the space of the rows, w = X^T v, and otherwise one of the optima does.  With the inverse
    factor P of X X^T, that is X X^T = (P^T P)^-1, the features X X^T P^T have the same margins and the same ||w|| for
    w = X^T P^T u: up to rounding, also where rows are collinear and P is that of a matrix close by.
    """
    X, gram = data.X, gram_of_rows(data.X)
    size = np.full(len(gram), max(float(gram.diagonal().max()), np.finfo(float).tiny))
    P = blas.ridged_inverse_factor(gram.copy(), size, len(gram) * np.finfo(float).eps)
    assert P is not None                        # X X^T has no negative eigenvalue, so that rounding is all there is to mend
    rotated = data.with_features(read_only(gram @ P.T)).with_backend(numpy_vectorized, 1)
    return rotated, lambda u: transposed_times(X, P.T @ u)


def gram_of_rows(X: np.ndarray | Csr) -> np.ndarray:
    """X X^T, (m, m) float64, a block of columns at a time."""
    if isinstance(X, Csr):
        A = X.scipy()
        return (A @ A.T).toarray()
    gram = np.zeros((X.shape[0], X.shape[0]))
    for columns in _column_blocks(X):
        block = X[:, columns].astype(np.float64, copy=False)
        gram += block @ block.T
    return gram


def transposed_times(X: np.ndarray | Csr, v: np.ndarray) -> np.ndarray:
    """X^T v, (n,) float64."""
    if isinstance(X, Csr):
        return X.scipy().T @ v
    return np.concatenate([X[:, columns].T.astype(np.float64, copy=False) @ v for columns in _column_blocks(X)])


def _column_blocks(X: np.ndarray) -> Iterator[slice]:
    """Slices of columns, about a megabyte each."""
    m, n = X.shape
    return blocks(n, max(1, _BLOCK_BYTES // (8 * m)))
