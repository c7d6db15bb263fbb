"""The whole of Newton's method in one compiled call, for problems so small that Python around a step takes longer than the step.

In the standardised coordinates of `fastlr._standardised`, on one thread; every step has a Hessian of its own.
"""

import math
from typing import Any

import numpy as np

from fastlr.backends import _known_answers
from fastlr.backends._compiled_hessian import add_hessian_of_rows, center_hessian, side_of
from fastlr.backends._csr import Csr
from fastlr.backends._fused_rows import block_rows, sums_of_rows
from fastlr.backends._jit import Entry, block, helper, shape_of

_TRIALS = 25                    # quarters of a step
_ENOUGH = 1e-4                  # of the decrease that the slope promises (Armijo)
_ROUNDING = 1e-12               # of J, relative: smaller differences may be those of adding up,
_SMALLER = 0.9                  # and then the gradient's largest component has to fall to this


@block
def _factorise(H: Any) -> bool:
    """Turn H into its lower Cholesky factor in place; False if it is not positive definite."""
    for i in range(H.shape[0]):
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
    return True


@block
def _solve(L: Any, grad: Any, p: Any) -> None:
    """p = -(L L^T)^-1 grad."""
    size = L.shape[0]
    for i in range(size):
        rest, row = -grad[i], L[i]
        for k in range(i):
            rest -= row[k] * p[k]
        p[i] = rest / L[i, i]
    for i in range(size - 1, -1, -1):
        p[i] /= L[i, i]
        row, p_i = L[i], p[i]
        for k in range(i):
            p[k] -= row[k] * p_i


@helper
def _evaluate(X: Any, y: Any, sample_weight: Any, offset: Any, u: Any, space: Any, theta: Any, grad: Any) -> float:
    """J at u; theta and the gradient by u are overwritten."""
    _, n = shape_of(X)
    theta[n] = u[n]
    for j in range(n):
        theta[j] = u[j] * space.scales[j]
        theta[n] -= space.center[j] * theta[j]
    sums = np.empty(n + 2)
    sums_of_rows(X, y, sample_weight, offset, theta, 0, y.size, block_rows(X, y.size), sums)
    penalty = 0.0
    for j in range(n):
        grad[j] = space.scale * space.scales[j] * (sums[j] - space.center[j] * sums[n]) + space.penalty[j] * u[j]
        penalty += space.penalty[j] * u[j] * u[j]
    grad[n] = space.scale * space.intercept * sums[n]
    return space.scale * sums[n + 1] + 0.5 * penalty


@helper
def _hessian_factor(X: Any, sample_weight: Any, offset: Any, theta: Any, space: Any, H: Any, L: Any) -> bool:
    """L becomes the Cholesky factor of the Hessian by u, made definite by the ridge; False if that fails."""
    m, n = shape_of(X)
    H[:] = 0.0
    add_hessian_of_rows(X, sample_weight, offset, theta, space.center, 0, m, H)
    center_hessian(X, space.center, H)
    for i in range(n + 1):
        for j in range(i + 1):
            L[i, j] = space.scale * space.scales[i] * space.scales[j] * H[i, j]
        L[i, i] += space.penalty[i]
    if space.intercept == 0.0:
        for j in range(n):
            L[n, j] = 0.0
        L[n, n] = 1.0
    for i in range(n + 1):
        L[i, i] += space.ridge[i]
    return _factorise(L)


@helper
def _largest(grad: Any) -> float:
    largest = 0.0
    for j in range(grad.size):
        largest = max(largest, abs(grad[j]))
    return largest


def _newton(X: Any, y: Any, sample_weight: Any, offset: Any, u: Any, space: Any, tol: float, record: Any, grad: Any, p: Any,
            H: Any) -> tuple[int, bool, float]:
    _, n = shape_of(X)
    L = np.empty((n + 1, n + 1))
    theta, trial, trial_grad = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1)
    cost = _evaluate(X, y, sample_weight, offset, u, space, theta, grad)
    updates = 0
    while True:
        if not (math.isfinite(cost) and _hessian_factor(X, sample_weight, offset, theta, space, H, L)):
            return updates, False, cost
        _solve(L, grad, p)
        largest, slope = _largest(grad), 0.0
        for j in range(n + 1):
            slope += grad[j] * p[j]
        if largest <= tol or updates == len(record):
            return updates, True, cost

        t = 1.0
        for _ in range(_TRIALS):
            for j in range(n + 1):
                trial[j] = u[j] + t * p[j]
            trial_cost = _evaluate(X, y, sample_weight, offset, trial, space, theta, trial_grad)
            rounding = _ROUNDING * abs(cost)
            if trial_cost <= cost + _ENOUGH * t * slope and -t * slope > rounding:
                break
            if trial_cost <= cost + rounding and _largest(trial_grad) <= _SMALLER * largest:
                break
            if -t * slope <= rounding:
                return updates, False, cost
            t *= 0.25
        else:
            return updates, False, cost
        record[updates, 0], record[updates, 1], record[updates, 2] = cost, largest, t
        updates += 1
        cost = trial_cost
        for j in range(n + 1):
            u[j], grad[j] = trial[j], trial_grad[j]


_entry = Entry(_newton, _known_answers.newton)


def newton(n_threads: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, u: np.ndarray,
           space: Any, tol: float, record: np.ndarray, grad: np.ndarray, p: np.ndarray) -> tuple[int, bool, float]:
    """See `fastlr.backends`."""
    side = side_of(X.shape[1])
    updates, is_sound, cost = _entry(X, y, sample_weight, offset, u, space, tol, record, grad, p, np.empty((side, side)))
    return updates, is_sound, cost
