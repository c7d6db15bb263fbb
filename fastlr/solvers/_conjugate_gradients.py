"""Newton's method without a Hessian, for more features than a Hessian has room for.

The step p solves H p = -g by conjugate gradients, which take H as a function alone: H v = V^T (D (V v)) is one read of X
(Nocedal and Wright, Numerical Optimization, algorithms 7.1 and 5.3).  Far from the optimum, where J is not quadratic, a rough
solution is as good as the exact one; near it each step is solved more closely, so that they converge faster than linearly.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from fastlr._one_thread import dot
from fastlr._standardised import Standardised
from fastlr.solvers._quasi_newton import RIDGE, Iterate, descent

_ROUGH = 0.5                    # of the gradient's norm, the most that a solution may leave of it
_OF_TOL = 0.1                   # and what it need not go below
_MOST_PRODUCTS = 250            # in a step


def truncated_newton(problem: Standardised, u: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Descend from u, as `iterates` does; tol is what the gradient's norm is to be at the end."""
    ridge = RIDGE * problem.diagonal
    largest = 0.0

    def aim(u: np.ndarray, grad: np.ndarray, grad_norm: float) -> tuple[None, np.ndarray, float]:
        nonlocal largest
        largest = max(largest, grad_norm)
        left = _ROUGH if grad_norm <= tol else min(_ROUGH, math.sqrt(grad_norm / largest))
        product, diagonal = problem.hessian_product(u)
        p = -solution(lambda v: product(v) + ridge * v, diagonal + ridge, grad, left,
                      lambda residual: problem.gradient_norm(residual) <= _OF_TOL * tol)
        return None, p, dot(grad, p)

    return descent(problem, u, aim)


def solution(product: Callable[[np.ndarray], np.ndarray], diagonal: np.ndarray, g: np.ndarray, left: float,
             is_enough: Callable[[np.ndarray], bool]) -> np.ndarray:
    """x with H x = g, roughly, by conjugate gradients preconditioned by H's diagonal.

    Parameters
    ----------
    product : callable
        v -> H v.
    diagonal : (n,) float64
        Positive.
    g : (n,) float64
    left : float
        Of the residual's norm, by the inverse diagonal, that may be left;
    is_enough : callable
        or of a residual that will do in any case.

    Returns
    -------
    (n,) float64
        With g^T x > 0, also if it breaks off early: x minimises x^T H x / 2 - g^T x over ever more directions.
    """
    x, residual = np.zeros_like(g), g.copy()
    scaled = residual / diagonal
    direction, square = scaled, dot(residual, scaled)
    enough = left ** 2 * square
    for _ in range(_MOST_PRODUCTS):
        along = product(direction)
        curvature = dot(direction, along)
        if not curvature > 0.0:         # rounding, or not finite
            break
        length = square / curvature
        x += length * direction
        residual -= length * along
        scaled = residual / diagonal
        before, square = square, dot(residual, scaled)
        if square <= enough or is_enough(residual):
            break
        direction = scaled + (square / before) * direction
    return x if x.any() else g / diagonal
