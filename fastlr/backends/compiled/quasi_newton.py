"""The engine driven by compiled code, for problems so small that Python around a step takes longer than the step.

J and its derivatives are left to the kernels that read X, whichever they are: those of two classes or of K.
"""

import math
from typing import Any

from fastlr.backends.compiled import vectors  # noqa: F401  (makes the engine known to Numba)
from fastlr.backends.compiled.driving import run_kernel
from fastlr.backends.compiled.header import COST_GRADIENT, FINISH_HESSIAN, HESSIAN_OF_ROWS, PROBABILITIES_OF_ROWS
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
def _set_parameters(w: Any, b: Any, strides: Any, u: Any, scale: Any) -> None:
    """w and b become the parameters at u."""
    side = u.size // b.size
    for k in range(b.size):
        at, to = k * side, k * strides[0]
        b_k = u[at + side - 1]
        for j in range(side - 1):
            w_j = u[at + j] * scale.scales[at + j]
            w[to + j * strides[1]] = w_j
            b_k -= scale.center[j] * w_j
        b[k] = b_k


@helper
def _set_gradient(grad: Any, sums: Any, totals: Any, chunks: int, w: Any, K: int, strides: Any, scale: Any) -> float:
    """The gradient by u, from sums over chunks of rows; J."""
    side = grad.size // K
    loss, penalty = 0.0, 0.0
    for c in range(chunks):
        loss += totals[c * strides[3] + K]
    for k in range(K):
        at, of, db = k * side, k * strides[0], 0.0
        for c in range(chunks):
            db += totals[c * strides[3] + k]
        for j in range(side - 1):
            dw = 0.0
            for c in range(chunks):
                dw += sums[c * strides[2] + of + j * strides[1]]
            w_j = w[of + j * strides[1]]
            of_penalty = scale.l2[at + j] * w_j          # penalty[j] u[j] may be infinity times 0
            grad[at + j] = scale.scales[at + j] * (scale.sums * (dw - scale.center[j] * db) + of_penalty)
            penalty += of_penalty * w_j
        grad[at + side - 1] = scale.sums * scale.intercept * db
    return scale.sums * loss + 0.5 * penalty


@helper
def _set_hessian(calls: Any, P: Any, sample_weight: Any, weights: Any, H: Any, whole: Any) -> None:
    """All second derivatives, from the probabilities P (K, m).

    The block of classes k and l is minus the Gram of X with the weights s p_k p_l, and the blocks of a class add up to 0.  A Gram
    is the Hessian of two classes where all margins are 0, and all curvatures 1/4.
    """
    run_kernel(calls, PROBABILITIES_OF_ROWS)
    side = H.shape[0]
    for k in range(P.shape[0]):
        p, own = P[k], whole[k * side:(k + 1) * side, k * side:(k + 1) * side]
        own[:] = 0.0
        for l in range(k):
            q, other = P[l], whole[l * side:(l + 1) * side, l * side:(l + 1) * side]
            for i in range(weights.size):
                weights[i] = 4.0 * p[i] * q[i] * (sample_weight[i] if sample_weight.size else 1.0)
            run_kernel(calls, HESSIAN_OF_ROWS)
            run_kernel(calls, FINISH_HESSIAN)
            for i in range(side):
                for j in range(side):
                    whole[k * side + i, l * side + j] = -H[i, j]
                    other[i, j] += H[i, j]
                    own[i, j] += H[i, j]


@helper
def _factorise(P: Any, H: Any, L: Any, scale: Any, ridge: float) -> bool:
    """P, the inverse factor of the Hessian by u, from sums over rows, with as much of a ridge as need be; False if that fails."""
    side = scale.center.size + 1
    if scale.intercept == 0.0:
        for i in range(side - 1, H.shape[0], side):
            for j in range(H.shape[0]):
                H[i, j] = H[j, i] = 0.0
            H[i, i] = 1.0 / scale.sums
    while ridge < 1.0:
        for i in range(P.shape[0]):
            for j in range(i + 1):
                L[i, j] = scale.sums * scale.scales[i] * scale.scales[j] * H[i, j]
            L[i, i] += scale.penalty[i] + ridge * scale.diagonal[i]
        if _inverse_factor(L, P):
            return True
        ridge *= 100.0
    return False


@helper
def quasi_newton(calls: Any, at: Any, way: Any, kind: Any, factor: Any, corrections: Any, scalars: Any, center: Any, scales: Any,
                 l2: Any, penalty: Any, diagonal: Any, far: Any, ratio: Any, shift: Any, common: Any, numbers: Any, record: Any,
                 begun: int, strides: Any, flat_w: Any, b: Any, flat_sums: Any, flat_totals: Any, P: Any, sample_weight: Any,
                 weights: Any, H: Any, whole: Any, L: Any) -> None:
    """Drive the engine until it asks for what is not computed here, among that a Hessian where there is no room for it.

    at[0] and kind[0] are the records of its state, `way` has the vectors of a Descent, and `corrections` and `scalars` have the
    parts of an Approximation.  `numbers` are those of a Scale, of a StoppingRule, of two Prices and the ridge, in this order.
    The record begins with the update after so many.
    w, b, sums and totals are those of the kernel of J, each in one row of numbers; strides are the steps from one number to
    another in w by class and by feature, and those from chunk to chunk in sums and in totals.
    """
    descent = Descent(at[0], way, way[0], way[1], way[2], way[3], way[4])
    M = Approximation(kind[0], factor, corrections, scalars, *parts(corrections, scalars))
    scale = Scale(center, scales, l2, penalty, diagonal, far, ratio, shift, common, numbers[0], numbers[1], numbers[2])
    rule = StoppingRule(numbers[3], numbers[4], numbers[5])
    hessian, sample = Price(numbers[6], numbers[7], numbers[8]), Price(numbers[9], numbers[10], numbers[11])
    while True:
        ask = advance(descent, M, scale, rule.tol, hessian, sample)
        if ask == POINT:
            made = descent.at.updates - begun
            if made > 0:
                record[made - 1, 0], record[made - 1, 1] = descent.at.cost_before, descent.at.grad_norm_before
                record[made - 1, 2] = descent.at.length
            if made == len(record) or is_small(descent.at, rule):
                return
        elif ask == EVALUATE:
            _set_parameters(flat_w, b, strides, descent.trial, scale)
            run_kernel(calls, COST_GRADIENT)
            descent.at.trial_cost = _set_gradient(descent.trial_grad, flat_sums, flat_totals, calls[COST_GRADIENT, 2], flat_w,
                                                  b.size, strides, scale)
        elif ask == HESSIAN and whole.size:
            _set_parameters(flat_w, b, strides, descent.u, scale)
            if P.size:
                _set_hessian(calls, P, sample_weight, weights, H, whole)
            else:
                run_kernel(calls, HESSIAN_OF_ROWS)
                run_kernel(calls, FINISH_HESSIAN)
            descent.at.is_definite = _factorise(M.factor, whole, L, scale, numbers[12])
        else:
            return
