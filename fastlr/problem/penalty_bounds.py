"""How far J is above its minimum, by what the penalty makes of the gradient.

l2: without an intercept J - J* <= sum_j (dJ/dw_j)^2 / (2 l2 min f), since J is strongly convex.  Intercepts have no penalty.
What J falls on the way to the best ones for this w is bounded by their curvature, see `self_concordance`.  So is how far the
gradient by w changes on that way.

l1: the same with the least subgradient, and where l2 is 0 by what l1 lets w be, see `ElasticNet.gap`.
"""

import math
from typing import NamedTuple

import numpy as np

from fastlr.problem.cost_model import SMALL
from fastlr.problem.problem import Problem
from fastlr.problem.self_concordance import LEAST_EIGENVALUE, NOTHING, Certificate, fall, self_concordance

FEWEST_ROWS = 500               # the fewest rows of a sample
_MOST_COLUMNS = 1000            # columns of a Hessian that serves where l1 is weak, at most


class _Way(NamedTuple):
    """The way to the best of some coordinates, such as the intercepts."""

    fall: float                 # what J falls at most on it; infinity if nothing is known
    distance: float             # how far the margins of a row move apart at most on it; infinity if that is not known
    step: np.ndarray = np.empty(0)              # (r,) where Newton's method goes by intercepts, and
    inverse: np.ndarray = np.empty((0, 0))      # (r, r) no less than the inverse Hessian by intercepts there


_UNKNOWN = _Way(math.inf, math.inf)


def strong_convexity(problem: Problem, u: np.ndarray, grad: np.ndarray, enough: float = math.inf) -> Certificate:
    """The bound by the penalty.

    It is weak where db is not 0.  Where it is more than enough, a Newton step of the intercepts alone goes to a point where db is
    next to nothing, for two reads of X.  What J falls on the way there and what it falls from there on are both bounded.
    """
    if not problem.is_penalised:
        return NOTHING
    found = _by_penalty(problem, u, grad)
    db = problem.coordinates.rows(grad)[:, -1]
    if found.gap <= enough or not db.any():
        return found
    way = _to_best_intercepts(problem, u, db)
    if way.fall == math.inf:
        return found
    there = u.copy()
    problem.coordinates.rows(there)[:, -1] += way.step
    grad = problem.evaluate(there).grad
    then = _way_of_intercepts(problem, way.inverse, problem.coordinates.rows(grad)[:, -1])
    return min(found, Certificate(way.fall + _by_penalty_on(problem, grad, then).gap, True))


def by_penalty_alone(problem: Problem, u: np.ndarray, grad: np.ndarray, enough: float) -> Certificate:
    """The bound by the penalty without a step of the intercepts, for a few rows of X; nothing where it can't be enough.

    No intercept is nearer to the best than by its gradient over the largest curvature.
    """
    if not problem.is_penalised:
        return NOTHING
    db = problem.to_mean * np.abs(problem.coordinates.rows(grad)[:, -1]).max()
    least = _by_penalty_on(problem, grad, _Way(0.0, float(db) / problem.loss.largest_curvature))
    return _by_penalty(problem, u, grad) if least.gap <= enough else NOTHING


def _by_penalty(problem: Problem, u: np.ndarray, grad: np.ndarray) -> Certificate:
    """The bound by the penalty, at one point.

    Let h bound the distance from b to the best b for this w, and delta what J falls on that way: both are known from db and the
    curvature of a few rows.  On that way dJ/dw_j changes by at most h rms_j / 4, where rms_j is the root mean square of column j.
    From there on J falls by at most sum_j (|dJ/dw_j| + h rms_j / 4)^2 / (2 l2).
    """
    db = problem.coordinates.rows(grad)[:, -1]
    if not db.any():
        return _by_penalty_on(problem, grad, _Way(0.0, 0.0))
    rows, = problem.data.samples([min(FEWEST_ROWS, problem.data.count.rows)])
    return _by_penalty_on(problem, grad, _to_best_intercepts(problem.part(rows), u, db))


def _by_penalty_on(problem: Problem, grad: np.ndarray, way: _Way) -> Certificate:
    """The bound by the penalty, where the gradient is grad, and the way from there to the best intercepts is known."""
    if way.fall == math.inf:
        return NOTHING
    change = way.distance * problem.columns.spread * problem.loss.largest_change / problem.to_mean
    return Certificate(way.fall + at_best_intercepts(problem, grad, change), True)


def at_best_intercepts(problem: Problem, grad: np.ndarray, change: float | np.ndarray = 0.0) -> float:
    """What J can fall at most, by the penalty, where the gradient by the intercepts is 0.

    The gradient by w, (r, n), is for columns that are counted from their means.  Each component may be off by its change.
    """
    rows, coordinates = problem.coordinates.rows(grad), problem.coordinates
    dw = rows[:, :-1] * coordinates.spread + (coordinates.center - problem.columns.center) * rows[:, -1:]
    return 0.5 * float(np.square(np.abs(dw) + change).sum()) / problem.penalty.convexity


def with_l1(problem: Problem, u: np.ndarray, cost: float, grad: np.ndarray, enough: float = math.inf) -> Certificate:
    """The bound where the penalty is an elastic net, on all columns whose w may differ from 0.

    Let delta be what J falls by the intercept and the unpenalized columns alone.  On that way the losses' slopes change by so
    little (convex functions with a bounded second derivative are co-coercive) that no component of the gradient in standardized
    coordinates changes by more than sqrt(2 C delta / to_mean), where C is the loss's largest curvature.  Nor does a row's slope
    change by more than twice its loss times expm1(h), where its margins move apart by h; by rounding too.

    Parameters
    ----------
    problem : Problem
        In standardized coordinates.
    u, grad : (n + 1,)
        The point, and the gradient of all but l1 there.
    cost : float
    enough : float
        A bound that is small enough.  Where l1 is so weak that it proves less, and there are few columns, the Hessian of the loss
        serves with the least subgradient in place of the gradient, since l1 is convex.
    """
    penalty, scales, C = problem.elastic_net, problem.coordinates.scales, problem.loss.largest_curvature
    way, found, count = _way_of_unpenalized(problem, u, grad), NOTHING, problem.data.count
    if way.fall < math.inf:
        of_loss = 2.0 * cost * math.sqrt(count.total / count.lightest)      # no |x_ij| is above the root in these coordinates
        slack = (min(math.sqrt(2.0 * C * way.fall / problem.to_mean), of_loss * math.expm1(way.distance))
                 + min(C / problem.to_mean, of_loss) * problem.margin_rounding(u))
        found = Certificate(way.fall + penalty.gap(u, grad, scales, cost, slack), True)
    if found.gap <= enough or u.size > min(_MOST_COLUMNS, problem.data.count.rows) or penalty.is_left_out.any():
        return found
    r, left = penalty.least_subgradient(u, grad, scales), 0.0
    if problem.loss.n_free < problem.loss.n_margins:
        # What all classes share is held by the penalty alone, whose l1 part is at most J here and at the minimum.
        r, left = penalty.balanced_subgradient(u, grad, scales)
    by_hessian = self_concordance(problem, problem, u, r, enough)
    return min(found, by_hessian._replace(gap=by_hessian.gap + 2.0 * cost * left))


def _way_of_unpenalized(problem: Problem, u: np.ndarray, grad: np.ndarray) -> _Way:
    """The way from u to the best of the coordinates without a penalty."""
    is_free, rows = problem.elastic_net.is_unpenalized(problem.coordinates.scales), problem.coordinates.rows
    grad = rows(grad)[:, np.append(is_free, True)].ravel()
    if not (grad.any() or is_free.any()):
        return _Way(0.0, 0.0)
    is_held = is_free | rows(u)[:, :-1].any(axis=0)
    is_held[0] = True                           # a problem has a column
    columns = np.flatnonzero(is_held)
    if 4 * columns.size < is_free.size and problem.data.size > SMALL:      # the others move no margin, and take more than a copy
        problem, u, is_free = problem.on_columns(columns), rows(u)[:, np.append(columns, -1)].ravel(), is_free[columns]
    if not is_free.any():
        return _to_best_intercepts(problem, u, grad)
    part = problem.around(u, np.flatnonzero(is_free))
    return _Way(self_concordance(part, part, np.zeros(grad.size), grad, 0.0).gap, math.inf)


def _to_best_intercepts(problem: Problem, u: np.ndarray, db: np.ndarray) -> _Way:
    """The way from u to the best intercepts for its w, where the gradient by the intercepts is db (r,)."""
    H = problem.loss.with_common(problem.intercept_hessian(u))
    if not np.isfinite(H).all():
        return _UNKNOWN
    eigenvalues, V = np.linalg.eigh(H)
    if not eigenvalues[0] > LEAST_EIGENVALUE * eigenvalues[-1]:
        return _UNKNOWN
    return _way_of_intercepts(problem, V / eigenvalues @ V.T, db)


def _way_of_intercepts(problem: Problem, inverse: np.ndarray, db: np.ndarray) -> _Way:
    """The way to the best intercepts from where the gradient is db (r,), and the inverse Hessian no more than given (r, r).

    On Newton's step the margins of a row move apart by at most x / M.  So the Hessian becomes at most e^x times smaller.
    """
    M, squared_range = problem.loss.self_concordance, problem.loss.squared_range(inverse)
    x = M * math.sqrt(squared_range * max(float(db @ inverse @ db), 0.0))
    if not x < 1.0:
        return _UNKNOWN
    return _Way(fall(x) / (M ** 2 * squared_range), -math.log1p(-x) / M, -inverse @ db, math.exp(x) * inverse)
