"""The engine driven by compiled code, for problems so small that Python around a step takes longer than the step."""

import math
from typing import Any

from fastlr.backends.compiled import vectors  # noqa: F401  (makes the engine known to Numba)
from fastlr.backends.compiled.block_pass import sums_of_rows
from fastlr.backends.compiled.header import CURVATURE
from fastlr.backends.compiled.hessian import add_hessian_of_rows, center_hessian
from fastlr.backends.compiled.jit import block, helper
from fastlr.backends.engine import (
    EVALUATE,
    HESSIAN,
    POINT,
    Approximation,
    Descent,
    Price,
    Scale,
    StoppingRule,
    advance,
    is_small,
    parts,
)


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
        for j in range(i):
            p[j] = 0.0
        for k in range(i):
            q, l = P[k], a[k]
            for j in range(k + 1):
                p[j] -= l * q[j]
        p[i] = 1.0
        for j in range(i + 1):
            p[j] /= a[i]
        for j in range(i + 1, p.size):
            p[j] = 0.0
    return True


@helper
def _set_theta(theta: Any, u: Any, scale: Any) -> None:
    """theta, the parameters at u."""
    n = u.size - 1
    b = u[n]
    for j in range(n):
        theta[j] = u[j] * scale.scales[j]
        b -= scale.center[j] * theta[j]
    theta[n] = b


@helper
def _set_gradient(grad: Any, sums: Any, theta: Any, scale: Any) -> float:
    """The gradient by u, from sums over rows; J."""
    n = theta.size - 1
    penalty = 0.0
    for j in range(n):
        w = scale.l2[j] * theta[j]          # penalty[j] u[j] may be infinity times 0
        grad[j] = scale.scales[j] * (scale.sums * (sums[j] - scale.center[j] * sums[n]) + w)
        penalty += w * theta[j]
    grad[n] = scale.sums * scale.intercept * sums[n]
    return scale.sums * sums[n + 1] + 0.5 * penalty


@helper
def _factorise(P: Any, H: Any, L: Any, scale: Any, ridge: float) -> bool:
    """P, the inverse factor of the Hessian by u, from sums over rows, with as much of a ridge as need be; False if that fails."""
    n = P.shape[0] - 1
    if scale.intercept == 0.0:
        for j in range(n):
            H[n, j] = 0.0
        H[n, n] = 1.0 / scale.sums
    while ridge < 1.0:
        for i in range(n + 1):
            for j in range(i + 1):
                L[i, j] = scale.sums * scale.scales[i] * scale.scales[j] * H[i, j]
            L[i, i] += scale.penalty[i] + ridge * scale.diagonal[i]
        if _inverse_factor(L, P):
            return True
        ridge *= 100.0
    return False


@helper
def _descend(X: Any, y: Any, sample_weight: Any, offset: Any, descent: Any, M: Any, scale: Any, rule: Any, hessian: Any,
             sample: Any, ridge: float, record: Any, theta: Any, sums: Any, H: Any, L: Any, scratch: Any, panel: Any) -> None:
    at, first = descent.at, descent.at.updates
    while True:
        ask = advance(descent, M, scale, rule.tol, hessian, sample)
        if ask == POINT:
            made = at.updates - first
            if made > 0:
                record[made - 1, 0], record[made - 1, 1], record[made - 1, 2] = at.cost_before, at.grad_norm_before, at.length
            if made == len(record) or is_small(at, rule):
                return
        elif ask == EVALUATE:
            _set_theta(theta, descent.trial, scale)
            sums_of_rows(X, y, sample_weight, offset, theta, 0, y.size, scratch, sums)
            at.trial_cost = _set_gradient(descent.trial_grad, sums, theta, scale)
        elif ask == HESSIAN:
            _set_theta(theta, descent.u, scale)
            for i in range(H.shape[0]):
                for j in range(H.shape[1]):
                    H[i, j] = 0.0
            add_hessian_of_rows(X, y, sample_weight, offset, theta, scale.center, 0.0, CURVATURE, H, 0, y.size, panel, H)
            center_hessian(X, scale.center, H)
            at.is_definite = _factorise(M.factor, H, L, scale, ridge)
        else:
            return


@helper
def quasi_newton(X: Any, y: Any, sample_weight: Any, offset: Any, at: Any, way: Any, kind: Any, factor: Any, corrections: Any,
                 scalars: Any, center: Any, scales: Any, l2: Any, penalty: Any, diagonal: Any, far: Any, ratio: Any, shift: Any,
                 numbers: Any, record: Any, theta: Any, sums: Any, H: Any, L: Any, scratch: Any, panel: Any) -> None:
    """Drive the engine until it asks for what is not computed here; at[0] and kind[0] are the records of its state.

    `way` has the vectors of a Descent, and `corrections` and `scalars` have the parts of an Approximation.  `numbers` are those
    of a Scale, of a StoppingRule, of a Price and the ridge, in this order.
    """
    descent = Descent(at[0], way, way[0], way[1], way[2], way[3], way[4])
    M = Approximation(kind[0], factor, corrections, scalars, *parts(corrections, scalars))
    scale = Scale(center, scales, l2, penalty, diagonal, far, ratio, shift, numbers[0], numbers[1], numbers[2])
    rule, hessian = StoppingRule(numbers[3], numbers[4], numbers[5]), Price(numbers[6], numbers[7], numbers[8])
    _descend(X, y, sample_weight, offset, descent, M, scale, rule, hessian, Price(math.inf, 0.0, math.inf), numbers[9], record,
             theta, sums[0], H, L, scratch[0], panel)
