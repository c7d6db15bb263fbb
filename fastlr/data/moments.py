"""What solvers need to know of X besides gradients: column scales and the largest curvature."""

from collections.abc import Iterator

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.machine import blas

_BLOCK_BYTES = 1 << 20
_CONSTANT = 16.0 * 2.0 ** -52        # of its center, a column's spread that may be rounding
_SMALLEST_SPREAD = 1e-153        # a w for less would be too large to square
MOST_SIDE = 1024               # up to here the Gram matrix of rows or columns is cheap against the steps it saves


def _blocks(X: np.ndarray, sample_weight: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows as float64 with their weights, about a megabyte at a time."""
    m, n = X.shape
    rows = max(1, _BLOCK_BYTES // (8 * n))
    for start in range(0, m, rows):
        block = X[start:start + rows].astype(np.float64, copy=False)
        yield block, sample_weight[start:start + rows] if sample_weight.size else np.ones(len(block))


def standardisation(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float,
                    fit_intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of every column; without intercept 0 and the root mean square.

    Parameters
    ----------
    pivot : (n,) float64
        A row of X that counts; zeros without intercept.
    first, second : (n,) float64
        Sums over the rows of s_i (x_i - pivot) and of s_i (x_i - pivot)^2.
    total : float
        The sum of the weights.

    Returns
    -------
    center, spread : (n,) float64
        A constant column has spread max(|center|, 1).  One that varies by less than 1e-153 counts as constant: a w that
        made a difference there would be too large to square.

    Notes
    -----
    The row with the largest weight is at most sqrt(m) deviations from the mean, so that squares around it lose at most
    m eps of the variance, however large the mean is.
    """
    center, spread, constant = _spread(pivot, first, second, total, fit_intercept)
    return center, np.where(constant, np.maximum(np.abs(center), 1.0), spread)


def constant_columns(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float, fit_intercept: bool) -> np.ndarray:
    """Which columns count as constant in `standardisation`, (n,)."""
    return _spread(pivot, first, second, total, fit_intercept)[2]


def variances(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float, fit_intercept: bool) -> np.ndarray:
    """Weighted variance of every column, (n,); without intercept the mean square."""
    return _spread(pivot, first, second, total, fit_intercept)[1] ** 2


def _spread(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float,
            fit_intercept: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Center and deviation of every column, and whether it is constant."""
    shift, square = first / total, second / total
    center = pivot + shift if fit_intercept else np.zeros(pivot.size)
    spread = np.sqrt(np.maximum(square - shift ** 2 if fit_intercept else square, 0.0))
    return center, spread, is_constant(center, spread)


def is_constant(center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Whether columns of such center and spread vary by no more than rounding, (n,)."""
    return ~(spread > np.maximum(_CONSTANT * np.abs(center), _SMALLEST_SPREAD))


def gram_of_rows(X: np.ndarray | Csr) -> np.ndarray:
    """X X^T, (m, m) float64, a block of columns at a time."""
    if isinstance(X, Csr):
        A = X.scipy()
        return (A @ A.T).toarray()
    gram = np.zeros((X.shape[0], X.shape[0]))
    for columns in column_blocks(X):
        block = X[:, columns].astype(np.float64, copy=False)
        gram += block @ block.T
    return gram


def transposed_times(X: np.ndarray | Csr, v: np.ndarray) -> np.ndarray:
    """X^T v, (n,) float64."""
    if isinstance(X, Csr):
        return X.scipy().T @ v
    return np.concatenate([X[:, columns].T.astype(np.float64, copy=False) @ v for columns in column_blocks(X)])


def column_blocks(X: np.ndarray) -> Iterator[slice]:
    """Slices of columns, about a megabyte each."""
    m, n = X.shape
    columns = max(1, _BLOCK_BYTES // (8 * m))
    for start in range(0, n, columns):
        yield slice(start, start + columns)


def largest_eigenvalue(X: np.ndarray | Csr, sample_weight: np.ndarray, fit_intercept: bool) -> float:
    """An upper bound of the largest eigenvalue of sum_i s_i [x_i, 1] [x_i, 1]^T.

    At most a ninth above it where X has at most 1024 rows or columns (the smaller Gram matrix has the same eigenvalues);
    beyond, the trace, which is larger by at most the rank of X.
    """
    m, n = X.shape
    if isinstance(X, Csr) and (m > n or m > MOST_SIDE):
        return _largest_eigenvalue_of_sparse(X, sample_weight if sample_weight.size else np.ones(m), float(fit_intercept))
    if min(m, n + 1) <= MOST_SIDE and m <= n:
        root = np.sqrt(sample_weight)[:, None] if sample_weight.size else 1.0
        return blas.largest_eigenvalue((gram_of_rows(X) + float(fit_intercept)) * (root * np.transpose(root)))
    assert not isinstance(X, Csr)
    if min(m, n + 1) > MOST_SIDE:
        return trace(X, sample_weight, fit_intercept)
    return blas.largest_eigenvalue(gram_of_columns(X, sample_weight, fit_intercept))


def gram_of_columns(X: np.ndarray, sample_weight: np.ndarray, fit_intercept: bool) -> np.ndarray:
    """sum_i s_i [x_i, 1] [x_i, 1]^T, (n + 1, n + 1) float64; zeros in place of the ones without intercept."""
    gram = np.zeros((X.shape[1] + 1, X.shape[1] + 1))
    for block, weight in _blocks(X, sample_weight):
        rows = np.column_stack([block, np.full(len(block), float(fit_intercept))])
        rows *= np.sqrt(weight)[:, None]
        gram += rows.T @ rows
    return gram


def trace(X: np.ndarray, sample_weight: np.ndarray, fit_intercept: bool) -> float:
    """That of `gram_of_columns`."""
    return sum(float(weight @ (np.square(block).sum(axis=1) + fit_intercept)) for block, weight in _blocks(X, sample_weight))


def _largest_eigenvalue_of_sparse(X: Csr, weight: np.ndarray, intercept: float) -> float:
    total = intercept * float(weight.sum())
    if X.n_columns + 1 > MOST_SIDE:
        _, values = X.stored()
        return float(X.each(weight) @ np.square(values, dtype=np.float64)) + total
    A = X.scipy()
    weighed = A.copy()
    weighed.data = A.data * X.each(weight)
    first = intercept * (A.T @ weight)[:, None]
    return blas.largest_eigenvalue(np.block([[(A.T @ weighed).toarray(), first], [first.T, np.array([[total]])]]))
