"""Intervals of predicted probabilities: those of the margin z = X w + b, which is linear in w and b, taken through sigma."""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.logistic import sigmoid
from fastlr.inference.design import design, quadratic_forms

# Numbers in a block of the design matrix: a megabyte of float64.
_BLOCK_ELEMENTS = 1 << 17


@np.errstate(all="ignore")
def intervals(z: np.ndarray, X: np.ndarray | Csr, V: np.ndarray, quantile: float) -> np.ndarray:
    """Find the bounds (m, 2) of the probability of y = 1 in rows of X (m, n) with the margins z (m,).

    Parameters
    ----------
    V : (n + 1, n + 1)
        The covariance of w and b.
    quantile : float
        The standard errors from z to either bound.
    """
    m, n = X.shape
    bounds, size = np.empty((m, 2)), max(64, _BLOCK_ELEMENTS // n)
    for rows in (slice(start, start + size) for start in range(0, m, size)):
        width = quantile * np.sqrt(quadratic_forms(design(X, rows, np.zeros(n)), V))
        bounds[rows] = sigmoid(z[rows, None] + width[:, None] * [-1.0, 1.0])
    return bounds
