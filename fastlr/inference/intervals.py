"""Intervals of predicted probabilities: those of the margin z = X w + b, which is linear in w and b, taken through sigma."""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.logistic import sigmoid
from fastlr.inference.design import quadratic_forms, row_ranges, transposed_design


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
    bounds, center = np.empty((z.size, 2)), np.zeros(X.shape[1])
    for rows in row_ranges(X):
        width = quantile * np.sqrt(quadratic_forms(transposed_design(X, rows, center), V))
        bounds[rows, 0], bounds[rows, 1] = sigmoid(z[rows] - width), sigmoid(z[rows] + width)
    return bounds
