"""Intervals of predicted probabilities: those of the log-odds of a class against all others, taken through sigma.

With two classes the log-odds are the margin z = X w + b, which is linear in w and b.  With K classes they are functions of all
margins, and their standard errors are the delta method's.
"""

import numpy as np

from fastlr.backends import choice
from fastlr.backends.csr import Csr
from fastlr.data.dataset import InMemory
from fastlr.data.passes import margins_and_forms
from fastlr.inference.class_leverages import covariances_of_margins
from fastlr.inference.design import blocks, features, row_ranges
from fastlr.inference.statistics import Statistics
from fastlr.problem.loss import Loss

# The variance of a margin, as a share of an intercept's, of which rounding leaves fewer than two digits.
_LOST = 100.0 * np.finfo(float).eps


@np.errstate(all="ignore")
def log_odds(loss: Loss, rows: InMemory, theta: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the log-odds (m, r) of a class against all others, and their variances (m, r).

    Parameters
    ----------
    theta : (n + 1,) or (K, n + 1)
    V : (r (n + 1), r (n + 1))
        The covariance of the rows of theta.
    """
    K, center, found = loss.n_margins, np.zeros(rows.shape[1]), []
    if K == 1:
        z, variance = margins_and_forms(rows, theta, center, V)
        return z[:, None], variance[:, None]
    for A, z, _, _ in blocks(rows, theta, center, K * K):
        odds, gradient = loss.log_odds(z)
        Q = covariances_of_margins(A, V, K)
        found.append(np.array([odds, np.einsum("rkl,rlj,rkj->rk", gradient, Q, gradient)]))
    odds, variance = np.concatenate(found, axis=1)
    return odds, variance


@np.errstate(all="ignore")
def intervals(odds: np.ndarray, variance: np.ndarray, V: np.ndarray, quantile: float) -> np.ndarray:
    """Find the bounds (m, r, 2) of probabilities: those of log-odds (m, r) with their variances (m, r), taken through sigma.

    Parameters
    ----------
    V : (r (n + 1), r (n + 1))
        The covariance that the variances come from.
    quantile : float
        The standard errors from the log-odds to either bound.

    Raises
    ------
    ValueError
        Rounding leaves a variance too few digits, or it overflows.
    """
    least = variance.min(initial=np.inf)                        # NaN where one is NaN
    if np.isnan(least):
        raise ValueError("a standard error overflows float64, since a value of X is too large; scale the features, and train "
                         "again")
    side = len(V) // odds.shape[1]
    if least < _LOST * V.diagonal()[side - 1::side].max():
        raise ValueError("rounding leaves too few digits of a standard error, since a column of X is too far from 0 for its "
                         "deviation; subtract about its mean from it, and train again")
    of_margins, width = choice.predictor(odds.reshape(-1), "intervals").intervals, np.sqrt(variance)
    width *= quantile
    bounds: np.ndarray = of_margins(odds.reshape(-1), width.reshape(-1)).reshape(*odds.shape, 2)
    return bounds


def is_open(X: np.ndarray | Csr, found: Statistics, K: int) -> np.ndarray:
    """Whether the data leave one of the K margins open, (m,), for rows of X."""
    any_open, center = np.zeros(X.shape[0], bool), np.zeros(X.shape[1])
    for rows in row_ranges(X, K * len(found.covariance)):
        A = features(X, rows, center)
        dense = A if isinstance(A, np.ndarray) else A.toarray()
        of_margins = np.kron(np.column_stack([dense, np.ones(len(dense))])[:, None], np.eye(K)[:, :, None])
        any_open[rows] = found.is_open(of_margins.reshape(len(dense), K, -1)).any(axis=1)
    return any_open
