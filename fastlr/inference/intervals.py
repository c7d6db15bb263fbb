"""Intervals of predicted probabilities, taken through sigma: those of the margin z = X w + b, which is linear in w and b.

With K classes they are those of the log-odds of each class against all others, by the delta method.
"""

import numpy as np

from fastlr.backends import softmax
from fastlr.backends.csr import Csr
from fastlr.backends.numpy_passes import quadratic_forms
from fastlr.inference.design import features, row_ranges


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
        _fill(bounds[rows], z[rows], quantile * np.sqrt(quadratic_forms(features(X, rows, center), V)))
    return bounds


def _fill(bounds: np.ndarray, z: np.ndarray, width: np.ndarray) -> None:
    """Make bounds (r, 2) sigma(z - width) and sigma(z + width).  Where e^-t overflows, sigma(t) is 0 to 307 decimals."""
    bounds[:, 0], bounds[:, 1] = width - z, -width - z
    np.exp(bounds, out=bounds)
    bounds += 1.0
    np.divide(1.0, bounds, out=bounds)


@np.errstate(all="ignore")
def class_intervals(z: np.ndarray, X: np.ndarray | Csr, V: np.ndarray, quantile: float) -> np.ndarray:
    """Find the bounds (m, K, 2) of the probabilities of K classes in rows of X (m, n) with the margins z (m, K).

    The log-odds of class k against all others are z_k - log sum_(l != k) e^z_l.  By z they have the derivatives 1 and, for the
    others, less their shares among themselves; so the covariance of z gives their standard errors.

    Parameters
    ----------
    V : (K (n + 1), K (n + 1))
        The covariance of the rows of w, each with its b.
    quantile : float
        The standard errors from the log-odds to either bound.
    """
    m, K = z.shape
    bounds, center, blocks = np.empty((m, K, 2)), np.zeros(X.shape[1]), V.reshape(K, X.shape[1] + 1, K, -1)
    for rows in row_ranges(X, K * K):
        A = features(X, rows, center)
        C = np.array([[quadratic_forms(A, blocks[k, :, l]) for l in range(K)] for k in range(K)])
        for k in range(K):
            others = np.delete(z[rows], k, axis=1)
            gradient = np.insert(-softmax.probabilities(others), k, 1.0, axis=1)
            odds = z[rows, k] - np.logaddexp.reduce(others, axis=1)
            _fill(bounds[rows, k], odds, quantile * np.sqrt(np.einsum("rk,klr,rl->r", gradient, C, gradient)))
    return bounds
