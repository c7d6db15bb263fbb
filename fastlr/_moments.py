"""What gradient descent needs to know of X besides the gradient: column scales and the largest curvature.

NumPy, a block of rows at a time: X is read once and never copied whole.
"""

from collections.abc import Iterator

import numpy as np

_BLOCK_BYTES = 1 << 20
_MOST_SIDE = 1024               # up to here the Gram matrix of rows or columns is cheap against the steps it saves


def _blocks(X: np.ndarray, sample_weight: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows as float64 with their weights, about a megabyte at a time."""
    m, n = X.shape
    rows = max(1, _BLOCK_BYTES // (8 * n))
    for start in range(0, m, rows):
        block = X[start:start + rows].astype(np.float64, copy=False)
        yield block, sample_weight[start:start + rows] if sample_weight.size else np.ones(len(block))


def standardisation(X: np.ndarray, sample_weight: np.ndarray, fit_intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of every column; without intercept 0 and the root mean square.

    Parameters
    ----------
    X : (m, n) float64 or float32
    sample_weight : (m,) float64, or (0,)
    fit_intercept : bool

    Returns
    -------
    center, spread : (n,) float64
        A constant column has spread max(|center|, 1).

    Notes
    -----
    Mean and squared deviations of a block are put together with those of the rows before it by Chan, Golub and
    LeVeque's formula, which loses nothing where the mean is large against the deviation.
    """
    n = X.shape[1]
    total, mean, deviation = 0.0, np.zeros(n), np.zeros(n)
    for block, weight in _blocks(X, sample_weight):
        block_total = float(weight.sum())
        if block_total == 0.0:
            continue
        pivot = block[0]
        shifted = block - pivot if fit_intercept else block
        first = weight @ shifted / block_total
        second = weight @ np.square(shifted)
        if fit_intercept:
            block_mean = pivot + first
            difference = block_mean - mean
            deviation += second - block_total * first ** 2 + difference ** 2 * (total * block_total / (total + block_total))
            mean += difference * (block_total / (total + block_total))
        else:
            deviation += second
        total += block_total
    spread = np.sqrt(np.maximum(deviation, 0.0) / total)
    constant = spread <= 1e-12 * np.abs(mean)
    return mean, np.where(constant, np.maximum(np.abs(mean), 1.0), spread)


def largest_eigenvalue(X: np.ndarray, sample_weight: np.ndarray, fit_intercept: bool) -> float:
    """An upper bound of the largest eigenvalue of sum_i s_i [x_i, 1] [x_i, 1]^T.

    Exact where X has at most 1024 rows or columns (the smaller Gram matrix has the same eigenvalues); beyond, the
    trace, which is larger by at most the rank of X.
    """
    m, n = X.shape
    if min(m, n + 1) > _MOST_SIDE:
        return sum(float(weight @ (np.square(block).sum(axis=1) + fit_intercept)) for block, weight in _blocks(X, sample_weight))
    if m <= n:
        root = np.sqrt(sample_weight)[:, None] if sample_weight.size else 1.0
        gram = np.full((m, m), float(fit_intercept))
        columns = max(1, _BLOCK_BYTES // (8 * m))
        for start in range(0, n, columns):
            block = X[:, start:start + columns].astype(np.float64, copy=False)
            gram += block @ block.T
        gram *= root * np.transpose(root)
    else:
        gram = np.zeros((n + 1, n + 1))
        for block, weight in _blocks(X, sample_weight):
            rows = np.column_stack([block, np.full(len(block), float(fit_intercept))])
            rows *= np.sqrt(weight)[:, None]
            gram += rows.T @ rows
    return float(np.linalg.eigvalsh(gram)[-1])
