"""Covariances of the parameters that hold when the model's variance does not: sandwiches of sums over rows.

Let V be the model's covariance, the inverse of the observed information, r_i = a_i - y_i the residual of row i and
v_i = [x_i, 1].  With the leverages h_i = a_i (1 - a_i) v_i^T V v_i a sandwich is V M V with

    HC0    M = sum s_i r_i^2 v_i v_i^T
    HC1    M of HC0 times N / (N - k)
    HC2    M = sum s_i r_i^2 / (1 - h_i) v_i v_i^T
    HC3    M = sum s_i r_i^2 / (1 - h_i)^2 v_i v_i^T
    cluster   M = G / (G - 1) (N - 1) / (N - k) sum_g u_g u_g^T,  u_g = sum of s_i r_i v_i over the rows of group g

for N examples, k parameters and G groups; two ways of grouping give M of the first, plus M of the second, minus M of the groups
that both make together.  The weights s_i count examples: a row of weight 3 is three examples of one group.

With K classes the residuals r_i are vectors, p_ik - [y_i = k], and their Kronecker products with v_i take the place of r_i v_i.
HC2 and HC3 multiply r_i by (I - W_i Q_i)^-1/2 and by its square, with the leverages W_i Q_i of `class_leverages`.
"""

from typing import Any

import numpy as np

from fastlr.backends import softmax
from fastlr.backends.logistic import curvature
from fastlr.data.dataset import InMemory, OfRows, merged_by, summed
from fastlr.data.passes import squared_scores
from fastlr.inference import clusters
from fastlr.inference.class_leverages import adjusted, covariances_of_margins, root_of_curvature
from fastlr.inference.design import blocks, scores
from fastlr.inference.statistics import Statistics, Training, inverse_hessian, refuse_changed
from fastlr.machine.arrays import repeated
from fastlr.problem.loss import Loss, of_classes
from fastlr.problem.problem import Problem

# The power of 1 - h that the squared residual of a row is divided by.
_POWERS = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}
# The variance of the intercept at the center, as a share of that at 0, below which rounding has ten digits of it.
_CANCELLED = 1e-6
# The difference between 1 and a leverage that may be rounding.
_ROUNDING_OF_LEVERAGES = 1e-9
# That share from which on rows are not centered, which costs a copy of X and saves three digits at most.
_NEAR = 1e-3


@summed
def products_of_scores(part: InMemory, loss: Loss, Theta: np.ndarray, center: np.ndarray, V: np.ndarray,
                       power: int) -> tuple[float, np.ndarray]:
    """The sums of s loss, and of s r r^T (x) v v^T, (K (n + 1), K (n + 1)), at Theta (K, n + 1) for features x - center.

    Residuals are multiplied by (I - W Q)^(-power / 2) first, where V is the covariance of Theta.
    """
    K, total, M = len(Theta), 0.0, np.zeros((Theta.size, Theta.size))
    for A, z, y, s in blocks(part, Theta, center, max(Theta.size, K * K)):
        losses, r = loss.loss_and_slope(y, z)
        total += float(s @ losses)
        if power:
            G = root_of_curvature(softmax.probabilities(z), np.sign(s))
            r = adjusted(r, G, covariances_of_margins(A, V, K), 0.5 * power)
        U = scores(A, np.sqrt(s)[:, None] * r)
        squares = U.T @ U
        M += squares if isinstance(squares, np.ndarray) else squares.toarray()
    return total, M


@merged_by(max)
def largest_leverage(part: InMemory, Theta: np.ndarray, center: np.ndarray, V: np.ndarray) -> float:
    """The largest leverage of one trial among the rows whose weight is not 0, at Theta (K, n + 1) for features x - center.

    With K classes it is the largest eigenvalue of a row's leverages W Q.
    """
    K, largest = len(Theta), 0.0
    for A, z, _, s in blocks(part, Theta, center, K * K):
        G = np.sqrt(curvature(z))[:, :, None] if K == 1 else root_of_curvature(softmax.probabilities(z), np.ones(s.size))
        h = np.linalg.eigvalsh(np.swapaxes(G, 1, 2) @ covariances_of_margins(A, V, K) @ G)
        largest = max(largest, float(h[s > 0.0].max(initial=0.0)))
    return largest


@np.errstate(all="ignore")
def sandwich(training: Training, names: tuple[str, ...], theta: np.ndarray, kind: Any,
             found: Statistics) -> tuple[np.ndarray, str]:
    """Find the covariance (k, k) of theta by one read of X, and a line that says which it is.

    Parameters
    ----------
    training : Training
        That of the model.
    names : tuple of str
        Those of the columns of X.
    theta : (k,)
    kind : {"HC0", "HC1", "HC2", "HC3"} or ("cluster", groups)
        Groups are a vector (m,), the name of a column, or a tuple of two of these.
    found : Statistics
        Those of the model.
    """
    is_cluster = isinstance(kind, tuple) and len(kind) == 2 and isinstance(kind[0], str) and kind[0] == "cluster"
    if not is_cluster and not (isinstance(kind, str) and kind in _POWERS):
        raise ValueError(f"covariance must be 'model', 'HC0', 'HC1', 'HC2', 'HC3' or ('cluster', groups), not {kind!r}")
    name = "cluster" if is_cluster else kind
    if found.penalty():
        raise ValueError(f"covariance={name!r} is that of an estimate without a penalty, and "
                         f"{found.penalty('is')}; train with {'l1' if found.l1 > 0.0 else 'l2'}=0, or take covariance='model'")
    data, loss = training.data, of_classes(training.data.classes.size)
    groups = clusters.codes(data, names, kind[1]) if is_cluster else None
    if np.isnan(found.covariance).any():
        return found.covariance, f"none: {name} needs the model's"
    N, (center, V, k) = found.examples, of_design(training, theta, found)
    if N <= k and name != "HC0":                # Firth's penalty allows that
        raise ValueError(f"covariance={name!r} needs more examples than parameters, and there are {N:.12g} and {k}; take 'HC0'")
    Theta = theta.reshape(loss.n_margins, -1)
    if groups is None:
        with training.rows() as rows:
            may_exceed = training.firth or rows.count.lightest < 1.0        # weight times leverage is at most 1
            if _POWERS[kind] and may_exceed:
                h = rows.reduce(largest_leverage, Theta @ to_design(center).T, center, V)
                if h >= 1.0 - _ROUNDING_OF_LEVERAGES:
                    return np.full_like(V, np.nan), (f"none: {kind} divides by 1 - h, and the leverage h of one trial is {h:.4g} "
                                                     "in some row; HC0 and HC1 are there")
            total, M = (rows.reduce(squared_scores, theta, center, V, _POWERS[kind]) if loss.n_margins == 1 else
                        rows.reduce(products_of_scores, loss, Theta @ to_design(center).T, center, V, _POWERS[kind]))
        if kind == "HC1":
            M *= N / (N - k)
        line = f"{kind}, which hold for any variance of y"
    else:
        with training.rows() as rows:
            total, *ways = rows.reduce(clusters.grouped_scores, loss, Theta, groups.view(OfRows))
        M = np.sum([sign * clusters.meat(way, center, N, k) for sign, way in zip((1.0, 1.0, -1.0), ways, strict=False)],
                   axis=0)
        line = f"clustered, by {' and '.join(str(way.keys.size) for way in ways[:2])} groups"
    if np.isfinite(found.log_likelihood):
        refuse_changed("the sum of the losses", -found.log_likelihood, total)
    half = _moved(to_design(-center), V)
    covariance = half @ M @ half.T
    if (is_negative := covariance.diagonal() < 0.0).any():              # which two ways of grouping can have
        covariance[is_negative] = covariance[:, is_negative] = np.nan
        line += "; where there is none, the variance is below 0"
    return covariance, line


def of_design(training: Training, theta: np.ndarray, found: Statistics) -> tuple[np.ndarray, np.ndarray, int]:
    """Find the covariance of the parameters of a design matrix [x - center, 1], along what the data determine.

    It takes two reads of X where the model's covariance leaves parameters open, or columns are far from 0, and else none.

    Returns
    -------
    center : (n,)
        The means of X, or weighted ones; 0 where these are near 0, X is sparse, or there is no intercept.
    V : (k, k)
        The covariance: J's inverse Hessian.
    parameters : int
        The number of parameters that the data determine.
    """
    if not (found.flat.size or np.isnan(found.covariance).any()):
        side = training.data.shape[1] + 1
        center = np.zeros(side - 1) if training.data.is_sparse else _center(found.covariance[:side, :side])
        T = to_design(center)
        V = _moved(T, _moved(T, found.covariance).T)
        if (V.diagonal() >= _NEAR * found.covariance.diagonal()).all():
            return np.zeros(side - 1), found.covariance, found.parameters
        if (V.diagonal() >= _CANCELLED * found.covariance.diagonal()).all():
            return center, V, found.parameters
    return _about_means(training, theta)


def to_design(center: np.ndarray) -> np.ndarray:
    """The matrix (n + 1, n + 1) that makes theta that of features x - center; that of -center is its inverse."""
    matrix = np.eye(center.size + 1)
    matrix[-1, :-1] = center
    return matrix


def _moved(T: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The product of T (n + 1, n + 1) with the rows of V (K (n + 1), k) of each class, without the matrix that has T K times."""
    moved: np.ndarray = (T @ V.reshape(-1, len(T), V.shape[1])).reshape(V.shape)
    return moved


def _about_means(training: Training, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Find the center, V and the number of parameters that `of_design` describes, by two reads of X."""
    with training.rows() as data:
        problem = Problem.of_theta(data, **training.objective_options).standardised()
        V, flat = inverse_hessian(problem, problem.coordinates.u_of(theta), problem.examples)
    center, scales = problem.coordinates.center, repeated(problem.coordinates.scales, theta.size)
    V *= np.outer(scales, scales)
    if data.is_sparse:
        T = to_design(-center)
        center, V = np.zeros(center.size), _moved(T, _moved(T, V).T)
    return center, V, (center.size + problem.fit_intercept) * problem.loss.n_free - flat.shape[1]


def _center(V: np.ndarray) -> np.ndarray:
    """The center (n,) for which w and the intercept are uncorrelated: a mean of X, about which products lose no digits."""
    size = np.sqrt(V.diagonal()[:-1])
    return -np.linalg.solve(V[:-1, :-1] / np.outer(size, size), V[:-1, -1] / size) / size
