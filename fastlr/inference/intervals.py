"""Intervals of predicted probabilities: those of the margin z = X w + b, which is linear in w and b, taken through sigma."""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.logistic import sigmoid
from fastlr.inference.design import variances


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
    width = quantile * np.sqrt(variances(X, V, np.zeros(X.shape[1])))
    return sigmoid(z[:, None] + width[:, None] * [-1.0, 1.0])
