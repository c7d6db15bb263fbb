"""Intervals of predicted probabilities: those of the log-odds of a class against all others, taken through sigma.

With two classes the log-odds are the margin z = X w + b, which is linear in w and b.  With K classes they are functions of all
margins, and their standard errors are the delta method's.
"""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.inference.class_leverages import covariances_of_margins
from fastlr.inference.design import features, row_ranges
from fastlr.problem.loss import Loss


@np.errstate(all="ignore")
def intervals(loss: Loss, z: np.ndarray, X: np.ndarray | Csr, V: np.ndarray, quantile: float) -> np.ndarray:
    """Find the bounds (m, r, 2) of probabilities in rows of X (m, n) with the margins z (m, r).

    Parameters
    ----------
    V : (r (n + 1), r (n + 1))
        The covariance of the rows of w, each with its b.
    quantile : float
        The standard errors from the log-odds to either bound.
    """
    bounds, center = np.empty((*z.shape, 2)), np.zeros(X.shape[1])
    for rows in row_ranges(X, loss.n_margins ** 2):
        odds, gradient = loss.log_odds(z[rows])
        Q = covariances_of_margins(features(X, rows, center), V, loss.n_margins)
        width = quantile * np.sqrt(np.einsum("rkl,rlj,rkj->rk", gradient, Q, gradient))
        block = bounds[rows]                    # becomes 1 / (1 + e^-t); where that overflows, sigma is 0 to 307 decimals
        np.subtract(width, odds, out=block[..., 0])
        np.subtract(-width, odds, out=block[..., 1])
        np.exp(block, out=block)
        block += 1.0
        np.divide(1.0, block, out=block)
    return bounds
