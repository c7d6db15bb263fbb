"""The descent along -M g in one compiled call, for problems so small that Python around a step takes longer than the step.

What `fastlr.solvers.quasi_newton` and `line_search` do, in the coordinates of `fastlr.problem.standardised` and on one
thread.  Where anything is out of the ordinary, it returns, and Python goes on from there.
"""

import math
from typing import Any

import numpy as np

from fastlr.backends import step_rules
from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.direction import direct
from fastlr.backends.compiled.fused_rows import block_rows, sums_of_rows
from fastlr.backends.compiled.hessian import add_hessian_of_rows, center_hessian, side_of
from fastlr.backends.compiled.jit import Entry, block, helper, shape_of
from fastlr.backends.csr import Csr
from fastlr.backends.step_rules import (
    AIMED,
    ARRIVALS,
    DIAGONAL,
    DUE,
    ENOUGH,
    FLATTER,
    GAPS,
    HESSIAN,
    KIND,
    PAIRS,
    SAMPLED,
    TRIALS_BY_CUBIC,
)

_minimum_of_cubic = helper(step_rules.minimum_of_cubic)
_rate_of_gaps = helper(step_rules.rate_of_gaps)
_rounding = helper(step_rules.rounding)
_steps_left = helper(step_rules.steps_left)
_steps_of_evidence = helper(step_rules.steps_of_evidence)


@block
def _inverse_factor(H: Any, P: Any) -> bool:
    """P, lower triangular, with H^-1 = P^T P; H becomes its Cholesky factor L, and P = L^-1.  False if H is not definite."""
    for i in range(P.shape[0]):
        for j in range(i + 1):
            a, b, rest = H[i], H[j], H[i, j]
            for k in range(j):
                rest -= a[k] * b[k]
            if j < i:
                H[i, j] = rest / H[j, j]
            elif rest > 0.0:
                H[i, i] = math.sqrt(rest)
            else:
                return False
    for i in range(P.shape[0]):
        a, p = H[i], P[i]
        p[:] = 0.0
        for k in range(i):
            q, l = P[k], a[k]
            for j in range(k + 1):
                p[j] -= l * q[j]
        p[i] = 1.0
        for j in range(i + 1):
            p[j] /= a[i]
    return True


@helper
def _theta(u: Any, space: Any, theta: Any) -> None:
    n = u.size - 1
    theta[n] = u[n]
    for j in range(n):
        theta[j] = u[j] * space.scales[j]
        theta[n] -= space.center[j] * theta[j]


@helper
def _evaluate(X: Any, y: Any, sample_weight: Any, offset: Any, u: Any, space: Any, theta: Any, grad: Any) -> float:
    """J at u; theta and the gradient by u are overwritten."""
    _, n = shape_of(X)
    _theta(u, space, theta)
    sums = np.empty(n + 2)
    sums_of_rows(X, y, sample_weight, offset, theta, 0, y.size, block_rows(X, y.size), sums)
    penalty = 0.0
    for j in range(n):
        grad[j] = space.scale * space.scales[j] * (sums[j] - space.center[j] * sums[n]) + space.penalty[j] * u[j]
        penalty += space.penalty[j] * u[j] * u[j]
    grad[n] = space.scale * space.intercept * sums[n]
    return space.scale * sums[n + 1] + 0.5 * penalty


@helper
def _factor(X: Any, sample_weight: Any, offset: Any, u: Any, space: Any, theta: Any, ridge: float, H: Any, L: Any,
            P: Any) -> bool:
    """P becomes the inverse factor of the Hessian by u, with as much of a ridge as makes it definite; False if that fails."""
    m, n = shape_of(X)
    _theta(u, space, theta)
    H[:] = 0.0
    add_hessian_of_rows(X, sample_weight, offset, theta, space.center, 0.0, 0, m, H)
    center_hessian(X, space.center, H)
    if space.intercept == 0.0:
        for j in range(n):
            H[n, j] = 0.0
        H[n, n] = 1.0 / space.scale
    while ridge < 1.0:
        for i in range(n + 1):
            for j in range(i + 1):
                L[i, j] = space.scale * space.scales[i] * space.scales[j] * H[i, j]
            L[i, i] += space.penalty[i] + ridge * space.diagonal[i]
        if _inverse_factor(L, P):
            return True
        ridge *= 100.0
    return False


@helper
def _norm(grad: Any, space: Any) -> float:
    """What tol bounds."""
    n = grad.size - 1
    largest = abs(grad[n])
    for j in range(n):
        largest = max(largest, abs(space.ratio[j] * grad[j] + space.shift[j] * grad[n]))
    return largest * space.to_mean


@helper
def _dot(a: Any, b: Any) -> float:
    total = 0.0
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@helper
def _learn(metric: Any, u: Any, grad: Any, next_u: Any, next_grad: Any) -> None:
    """Add the pair of a step to those of the metric, in place of the oldest where there is no room."""
    curvature = 0.0
    for j in range(u.size):
        curvature += (next_u[j] - u[j]) * (next_grad[j] - grad[j])
    if not curvature > 0.0:
        return
    pairs = metric.state[PAIRS]
    if pairs == metric.curvatures.size:
        pairs -= 1
        for k in range(pairs):
            metric.curvatures[k] = metric.curvatures[k + 1]
            for j in range(u.size):
                metric.steps[k, j], metric.changes[k, j] = metric.steps[k + 1, j], metric.changes[k + 1, j]
    metric.curvatures[pairs] = curvature
    for j in range(u.size):
        metric.steps[pairs, j], metric.changes[pairs, j] = next_u[j] - u[j], next_grad[j] - grad[j]
    metric.state[PAIRS] = pairs + 1


@helper
def _aim(grad: Any, inverse: Any, metric: Any, evidence: float, p: Any) -> float:
    """p = -M grad; the rate of the steps so far, 0 while it is unknown."""
    kind, pairs, arrivals = metric.state[KIND], metric.state[PAIRS], metric.state[ARRIVALS]
    factor = metric.factor if kind >= SAMPLED else metric.factor[:0, :0].copy()
    direct(grad, inverse, factor, metric.steps[:pairs], metric.changes[:pairs], metric.curvatures[:pairs], p)
    gap, steps = -0.5 * _dot(grad, p), _steps_of_evidence(evidence, kind)
    metric.gaps[arrivals % GAPS] = gap
    metric.state[ARRIVALS] = arrivals + 1
    return _rate_of_gaps(metric.gaps[(arrivals - steps) % GAPS], gap, steps) if arrivals >= steps else 0.0


def _descend(X: Any, y: Any, sample_weight: Any, offset: Any, u: Any, cost: float, grad: Any, p: Any, space: Any, goal: Any,
             metric: Any, record: Any, H: Any) -> tuple[int, bool, float]:
    _, n = shape_of(X)
    theta, trial, trial_grad, inverse = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1), np.empty(n + 1)
    L = np.empty((n + 1, n + 1))
    for j in range(n + 1):
        inverse[j] = 1.0 / space.diagonal[j]
    if math.isnan(cost):
        cost = _evaluate(X, y, sample_weight, offset, u, space, theta, grad)
    updates = 0
    while True:
        grad_norm = _norm(grad, space)
        while not metric.state[AIMED]:
            if metric.state[KIND] != DUE:
                rate = _aim(grad, inverse, metric, goal.evidence, p)
                with_hessian = goal.steps_a_hessian + _steps_left(grad_norm, goal.rate_with_hessian, goal.tol)
                if not _steps_left(grad_norm, rate, goal.tol) > with_hessian:
                    metric.state[AIMED] = 1
                    break
            is_definite = _factor(X, sample_weight, offset, u, space, theta, goal.ridge, H, L, metric.factor)
            metric.state[KIND] = HESSIAN if is_definite else DIAGONAL
            metric.state[PAIRS] = metric.state[ARRIVALS] = 0
        slope = _dot(grad, p)
        gap = -0.5 * slope
        is_enough = gap <= goal.gap if goal.gap > 0.0 else grad_norm <= goal.tol
        if is_enough or cost <= goal.cost or updates == len(record):
            return updates, True, cost

        cancelled = 0.0
        for j in range(n):
            cancelled += abs(space.center[j] * space.scales[j] * u[j])
        rounding = _rounding(cost, cancelled, space.to_mean)
        if not slope < 0.0 or (gap <= rounding and grad_norm > 0.5 * metric.least[0]):
            return updates, False, cost
        metric.least[0] = grad_norm
        is_lower, t = False, 1.0
        for _ in range(TRIALS_BY_CUBIC):
            for j in range(n + 1):
                trial[j] = u[j] + t * p[j]
            trial_cost = _evaluate(X, y, sample_weight, offset, trial, space, theta, trial_grad)
            trial_slope = _dot(trial_grad, p)
            if trial_cost <= cost + rounding:
                is_lower = ((trial_cost <= cost + ENOUGH * t * slope and -t * slope > rounding)
                            or abs(trial_slope) <= FLATTER * abs(slope))
                break
            t = _minimum_of_cubic(t, cost, slope, trial_cost, trial_slope)
        if not is_lower:
            return updates, False, cost
        record[updates, 0], record[updates, 1], record[updates, 2] = cost, grad_norm, t
        updates += 1
        cost = trial_cost
        _learn(metric, u, grad, trial, trial_grad)
        for j in range(n + 1):
            u[j], grad[j] = trial[j], trial_grad[j]
        metric.state[AIMED] = 0


_entry = Entry(_descend, self_test.quasi_newton, writes=("u", "grad", "p", "metric", "record", "H"))


def is_compiled(X: np.ndarray | Csr) -> bool:
    """Whether a call with X, as float64 in C order, starts at once."""
    return _entry.is_compiled(X._replace(values=np.empty(0)) if isinstance(X, Csr) else np.empty((0, 0)))


def quasi_newton(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, u: np.ndarray,
                 cost: float, grad: np.ndarray, p: np.ndarray, space: Any, goal: Any, metric: Any,
                 record: np.ndarray) -> tuple[int, bool, float]:
    """See `fastlr.backends`."""
    side = side_of(X.shape[1])
    updates, is_sound, cost = _entry(X, y, sample_weight, offset, u, cost, grad, p, space, goal, metric, record,
                                     np.empty((side, side)))
    return updates, is_sound, cost
