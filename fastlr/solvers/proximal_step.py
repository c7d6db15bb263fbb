"""A step of proximal Newton's method: to the minimum of the quadratic model of the loss plus the penalty, l1 included.

For fixed signs that minimum is the solution of a linear system.  A line search on J makes the step shorter where it has to be.
"""

from typing import NamedTuple

import numpy as np

from fastlr.machine.arrays import repeated
from fastlr.machine.blas import dot
from fastlr.problem.problem import Problem

# The share of the decrease that a linear model of J promises, which a step has to bring.
_SUFFICIENT = 1e-4
# The shortest step, as a share of the full one: if that is too long, the quadratic model is damped.
SHORTEST = 2.0 ** -30
# The least damping of a quadratic model, as a share of the Hessian's diagonal at the null model.
_LEAST_DAMPING = 1e-3
# The factor by which damping grows where no share of a step lowers J, and falls after a full step.
_DAMPING_CHANGE = 10.0
# The share of the least subgradient that may be left after a step whose change of J is rounding.
_SMALLER = 0.5
# The share of the least subgradient to which the quadratic model is minimized.
OF_MODEL = 0.01
# Added to the Hessian, as a share of its diagonal at the null model, so that collinear columns have a solution.
RIDGE = 1e-11
# The share of the largest violation from which on a component comes into the linear system.
_OF_WORST = 0.1
# Linear systems that the minimum of a quadratic may take: after more, a new quadratic serves better.
_MOST_SYSTEMS = 30


class Point(NamedTuple):
    """A point, with J and the gradient of all but l1."""

    u: np.ndarray               # (n + 1,)
    cost: float
    grad: np.ndarray            # (n + 1,)


def evaluated(problem: Problem, u: np.ndarray) -> Point:
    """Compute J and the gradient at u."""
    return Point(u, *problem.evaluate(u))


def subgradient_norm(problem: Problem, point: Point) -> float:
    """What `tol` bounds: the largest component of the least subgradient of J, on the mean scale."""
    return problem.bounded_by_tol(problem.elastic_net.least_subgradient(point.u, point.grad, problem.coordinates.scales))


def step(problem: Problem, point: Point, norm: float, damping: float) -> tuple[float, Point, float] | None:
    """Find a step toward the minimum of the quadratic model that lowers J enough.

    Where no share of a step does, the model is damped, as Levenberg and Marquardt do it: its Hessian gets a multiple of the
    diagonal at the null model.

    Returns
    -------
    The share of the step, where it leads, and the damping for the next step; None where no step lowers J.
    """
    H, thresholds = problem.hessian(point.u), problem.thresholds
    diagonal = H.diagonal().copy()
    while True:
        H.flat[::len(H) + 1] = diagonal + (RIDGE + damping) * problem.diagonal
        v = minimize_quadratic(H, point.grad, point.u, thresholds, OF_MODEL * norm / problem.to_mean)
        found, is_hidden = line_search(problem, point, v, norm)
        if found is not None:
            less = damping / _DAMPING_CHANGE if found[0] == 1.0 else damping
            return *found, less if less >= _LEAST_DAMPING and not is_hidden else 0.0
        if is_hidden:
            return None
        damping = max(_DAMPING_CHANGE * damping, _LEAST_DAMPING)


def line_search(problem: Problem, point: Point, v: np.ndarray, norm: float) -> tuple[tuple[float, Point] | None, bool]:
    """Find the largest share of the way to v, of those halved again and again, that lowers J enough.

    Returns
    -------
    The share and where it leads, None if there is none; and whether the change of J is rounding.  Then the whole way is taken
    where it makes the least subgradient, whose norm is given, much smaller.
    """
    way, thresholds = v - point.u, repeated(problem.thresholds, v.size)
    promised = -dot(point.grad, way) - dot(thresholds, np.abs(v) - np.abs(point.u))
    if not promised > problem.rounding(point.u, point.cost):
        there = evaluated(problem, v)
        return (1.0, there) if subgradient_norm(problem, there) <= _SMALLER * norm else None, True
    share = 1.0
    while share >= SHORTEST:
        there = evaluated(problem, v if share == 1.0 else point.u + share * way)
        if there.cost <= point.cost - _SUFFICIENT * share * promised:
            return (share, there), False
        share *= 0.5
    return None, False


def minimize_quadratic(H: np.ndarray, grad: np.ndarray, u: np.ndarray, thresholds: np.ndarray, enough: float) -> np.ndarray:
    """Minimize grad . (v - u) + (v - u) H (v - u) / 2 + sum_j thresholds_j |v_j| over v.

    It goes from one set of signs to the next.  For fixed signs the minimum is the solution of a linear system.  On the way to it,
    components that would change their sign stop at 0.  Components that want to leave 0 come in, until none wants to by more than
    `enough`.  H (k, k) is symmetric and positive definite.  Components with a threshold of 0 have no sign to keep.
    """
    v, q = u.copy(), grad.copy()                # q is the gradient of the quadratic at v
    signs, is_free = np.sign(v), thresholds == 0.0
    is_active = is_free | (v != 0.0)
    for _ in range(_MOST_SYSTEMS):
        A = np.flatnonzero(is_active)
        step = np.zeros(v.size)
        step[A] = -np.linalg.solve(H[A].take(A, axis=1), q[A] + thresholds[A] * signs[A])
        is_back = (step * signs < 0.0) & ~is_free
        is_wrong = is_back & (v == 0.0)
        if is_wrong.any():
            is_active[is_wrong] = False
            continue
        # The share of the step at which a component gets to 0.  Up to the first of them the quadratic plus l1 falls for sure.
        at_zero = np.divide(-v, step, out=np.full(v.size, np.inf), where=is_back)
        share, first = 1.0, at_zero.min()
        while True:
            crosses = at_zero <= share
            moved = np.where(crosses, -v, share * step)
            H_moved = H @ moved
            if share <= first or moved @ (q + 0.5 * H_moved) + thresholds @ (np.abs(v + moved) - np.abs(v)) < 0.0:
                break
            share = max(0.5 * share, first)
        v += moved
        q += H_moved
        v[crosses] = 0.0
        is_active[crosses] = False
        if share == 1.0 and not crosses.any():
            excess = np.where(is_active, 0.0, np.abs(q) - thresholds)
            new = excess > max(enough, _OF_WORST * excess.max())
            if not new.any():
                break
            is_active |= new
            signs[new] = -np.sign(q[new])
    return v
