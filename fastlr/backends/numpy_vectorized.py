"""The lecture's vectorised form: two matrix products, one forward and one backward.

A float64 or sparse X goes through in one range of rows, unless it is very large; SciPy multiplies a sparse one.  Any other dtype
is converted to float64 one block of rows at a time, so X is never copied whole and all sums are float64.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlr.backends import logistic, softmax
from fastlr.backends.csr import Csr, as_float64
from fastlr.backends.ranges import blocks, pieces

# Margins in a block that stays in the L1 cache.
_BLOCK_ROWS = 1 << 13
# Bytes in a block of float64 rows that stays in the L2 cache between the two products.
_BLOCK_BYTES = 1 << 20


def row_blocks(X: Any) -> Iterator[slice]:
    """Slices of rows that cover X: the ranges of a float64 or sparse X, and else blocks that are cheap to convert."""
    if X.dtype == np.float64 or isinstance(X, Csr):
        return (slice(*piece) for piece in pieces(X))
    return blocks(X.shape[0], max(1, _BLOCK_BYTES // (8 * X.shape[1])))


def margins(X: Any, offset: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The margins z = X w + b + offset at theta (n + 1,), (m,) float64, or those of K classes at theta (K, n + 1), (m, K)."""
    if theta.ndim == 1 and 8 * X.size <= _BLOCK_BYTES:      # one block: without the loop, a single row takes a third less
        return margins_of_block(as_float64(X, slice(None)), offset, theta)
    z = np.empty((X.shape[0], *theta.shape[:-1]))
    for rows in row_blocks(X) if theta.ndim == 1 else class_blocks(X, len(theta)):
        z[rows] = margins_of_block(as_float64(X, rows), offset[rows], theta)
    return z


def margins_of_block(block: Any, offset: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The margins (rows,) at theta (n + 1,), or those (rows, K) at theta (K, n + 1), of a block of float64 rows."""
    z: np.ndarray = block @ theta[..., :-1].T
    b = theta[..., -1]
    z += b + offset.reshape(z.shape) if offset.size else b      # one may cancel the other before it costs X w digits
    return z


def probabilities(z: np.ndarray) -> np.ndarray:
    """The probabilities 1 - sigma(z) and sigma(z), (m, 2), both to full precision."""
    both = np.empty((z.size, 2))
    for rows in blocks(z.size, _BLOCK_ROWS):
        e = np.exp(-np.abs(z[rows]))
        larger = 1.0 / (1.0 + e)
        smaller = e * larger
        is_second = z[rows] >= 0.0
        both[rows, 0] = np.where(is_second, smaller, larger)
        both[rows, 1] = np.where(is_second, larger, smaller)
    return both


def predict(X: Any, offset: np.ndarray, theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for the rows of X as `fastlr.backends.choice.predictor` says."""
    z = margins(X, offset, theta)
    # The sum is the quickest check.  It may overflow, and BLAS may skip a column whose w is 0: the caller then looks through X.
    is_finite = math.isfinite(np.add.reduce(z)) and bool(theta[:-1].all())
    return probabilities(z) if as_probabilities else z, is_finite


def intervals(odds: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The bounds sigma(odds - width) and sigma(odds + width), (m, 2)."""
    bounds = np.empty((odds.size, 2))
    for rows in blocks(odds.size, _BLOCK_ROWS):
        bounds[rows] = logistic.sigmoid(odds[rows, None] + width[rows, None] * np.array([-1.0, 1.0]))
    return bounds


def class_blocks(X: Any, classes: int) -> Iterator[slice]:
    """Slices of rows that cover X, each a block that stays in the L2 cache together with the margins of all classes."""
    return blocks(X.shape[0], max(256, _BLOCK_BYTES // (8 * max(X.size // X.shape[0], classes))))


def softmax_predict(X: Any, offset: np.ndarray, Theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for the rows of X as `fastlr.backends.choice.predictor` says."""
    z = margins(X, offset, Theta)
    is_finite = math.isfinite(np.add.reduce(z, axis=None)) and bool(Theta[:, :-1].any(axis=0).all())
    if as_probabilities:
        for rows in class_blocks(z, z.shape[1]):
            z[rows] = softmax.probabilities(z[rows])
    return z, is_finite


def cost_gradient(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, grad: Any) -> float:
    """The sum of the losses; grad becomes that of their gradients."""
    J = 0.0
    grad[:] = 0.0
    for rows in row_blocks(X):
        block = as_float64(X, rows)
        loss, dz = logistic.loss_and_slope(y[rows], margins_of_block(block, offset[rows], theta))
        if sample_weight.size:
            loss *= sample_weight[rows]
            dz *= sample_weight[rows]
        grad[:-1] += block.T @ dz
        grad[-1] += dz.sum()
        J += float(loss.sum())
    return J
