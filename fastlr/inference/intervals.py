"""Intervals of predicted probabilities: those of the log-odds of a class against all others, taken through sigma.

With two classes the log-odds are the margin z = X w + b, which is linear in w and b.  With K classes they are functions of all
margins, and their standard errors are the delta method's.
"""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.inference.class_leverages import covariances_of_margins
from fastlr.inference.design import features, row_ranges
from fastlr.inference.statistics import Statistics
from fastlr.problem.loss import Loss

# The variance of a margin, as a share of an intercept's, of which rounding leaves fewer than two digits.
_LOST = 100.0 * np.finfo(float).eps


@np.errstate(all="ignore")
def intervals(loss: Loss, z: np.ndarray, X: np.ndarray | Csr, V: np.ndarray, quantile: float, found: Statistics) -> np.ndarray:
    """Find the bounds (m, r, 2) of probabilities in rows of X (m, n) with the margins z (m, r).

    Parameters
    ----------
    V : (r (n + 1), r (n + 1))
        The covariance of the rows of w, each with its b.
    quantile : float
        The standard errors from the log-odds to either bound.
    found : Statistics
        Those of the model.  Bounds are NaN in rows whose margins the data leave open.

    Raises
    ------
    ValueError
        Rounding leaves a variance too few digits.
    """
    K, center, bounds = loss.n_margins, np.zeros(X.shape[1]), np.empty((*z.shape, 2))
    lost = _LOST * V.diagonal()[X.shape[1]::X.shape[1] + 1].max()
    for rows in row_ranges(X, K * len(V) if found.flat.size else K * K):
        odds, gradient = loss.log_odds(z[rows])
        A = features(X, rows, center)
        Q = covariances_of_margins(A, V, K)
        variance = np.einsum("rkl,rlj,rkj->rk", gradient, Q, gradient)
        if (variance < lost).any():
            raise ValueError("rounding leaves too few digits of a standard error, since a column of X is too far from 0 for its "
                             "deviation; subtract about its mean from it, and train again")
        width = quantile * np.sqrt(variance)
        block = bounds[rows]                    # becomes 1 / (1 + e^-t); where that overflows, sigma is 0 to 307 decimals
        np.subtract(width, odds, out=block[..., 0])
        np.subtract(-width, odds, out=block[..., 1])
        np.exp(block, out=block)
        block += 1.0
        np.divide(1.0, block, out=block)
        if found.flat.size:
            dense = A if isinstance(A, np.ndarray) else A.toarray()
            of_margins = np.kron(np.column_stack([dense, np.ones(len(dense))])[:, None], np.eye(K)[:, :, None])
            block[found.is_open(of_margins.reshape(len(dense), K, -1)).any(axis=1)] = np.nan
    return bounds
