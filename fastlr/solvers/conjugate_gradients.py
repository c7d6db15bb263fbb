"""Newton's method without a Hessian, for more features than a Hessian has room for.

The step p solves H p = -g by conjugate gradients, which take H as a function alone: H v = V^T (D (V v)) is one read of X
(Nocedal and Wright, Numerical Optimization, algorithms 7.1 and 5.3).  How closely each step is solved depends on how well the
last one foresaw the gradient where it led (Eisenstat and Walker, 1996, their first choice): far from the optimum, where J is
not quadratic, a rough solution is as good as the exact one; near it the steps converge faster than linearly.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastlr.backends import engine
from fastlr.machine.blas import dot
from fastlr.problem.standardised import Standardised
from fastlr.solvers.quasi_newton import RIDGE, Iterate, solved_iterates

_ROUGH = 0.5                    # of the gradient's norm, the most that a solution may leave of it
_MEMORY = 0.1                   # what it may leave falls slowly as long as it is more than this
_GOLDEN = 1.618                 # the power at which it falls then
_AS_BEFORE = 0.1                # of the norm: a gradient foreseen so well shows a Hessian whose diagonal has not changed much
_OF_TOL = 0.1                   # of tol: a residual that is small enough in any case
_MOST_PRODUCTS = 250            # in a step
_OF_PENALTY = 9.0               # times the penalty's, added to the diagonal: columns that it rules had better stay alike
_TO_START = 15.0                # steps of L-BFGS that take as long as what conjugate gradients take before they are fast,
_A_STEP = 0.4                   # and what they take from there on for each step of L-BFGS that they save
_EVIDENCE = 24                  # half as many steps of L-BFGS show at what rate they go


class Solution(NamedTuple):
    """What conjugate gradients have found for H x = g."""

    x: np.ndarray               # (n,) with g^T x > 0
    norm: float                 # of g, by the inverse diagonal, and
    left: float                 # of the residual g - H x


def truncated_newton(problem: Standardised, u: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Descend from u, as `iterates` does; tol is what the gradient's norm is to be at the end."""
    ridge = RIDGE * problem.diagonal
    left, diagonal = _ROUGH, problem.diagonal   # what the next solution may leave of the norm, and the preconditioner
    last: Solution | None = None

    def step(u: np.ndarray, grad: np.ndarray, grad_norm: float) -> np.ndarray:
        nonlocal last, left, diagonal
        product, new_diagonal = problem.hessian_product(u)
        unforeseen = 1.0 if last is None else abs(math.sqrt(dot(grad, grad / diagonal)) - last.left) / last.norm
        if unforeseen > _AS_BEFORE:
            diagonal = new_diagonal() + _OF_PENALTY * problem.penalty + ridge
        left = min(_ROUGH, max(unforeseen, left ** _GOLDEN if left ** _GOLDEN > _MEMORY else 0.0))
        last = solution(lambda v: product(v) + ridge * v, diagonal, grad, left,
                        lambda residual: problem.gradient_norm(residual) <= _OF_TOL * min(tol, grad_norm))
        return -last.x

    return solved_iterates(problem, u, tol, step)


def or_conjugate_gradients(problem: Standardised, points: Iterator[Iterate], tol: float,
                           steps_a_hessian: float) -> Iterator[Iterate]:
    """The points of L-BFGS for as long as they come fast; from where they don't, or J seems to fall no more, `truncated_newton`.

    Parameters
    ----------
    problem : Standardised
    points : iterator of Iterate
    tol : float
        What the gradient's norm is to be at the end.
    steps_a_hessian : float
        What a Hessian costs, in steps; infinity for none.
    """
    for point in points:
        yield point
        if point.inverse_hessian.is_diagonal:
            steps = engine.steps_left(point.grad_norm, point.inverse_hessian.rate(_EVIDENCE), tol)
            if _TO_START + _A_STEP * steps < min(steps, steps_a_hessian):
                break
    else:
        if not point.inverse_hessian.is_diagonal:
            return
    following = truncated_newton(problem, point.u, tol)
    next(following)                             # the point where they start has been told
    yield from following


def solution(product: Callable[[np.ndarray], np.ndarray], diagonal: np.ndarray, g: np.ndarray, left: float,
             is_enough: Callable[[np.ndarray], bool]) -> Solution:
    """x with H x = g, roughly, by conjugate gradients preconditioned by a diagonal.

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
    Solution
        Also if it breaks off early: x minimises x^T H x / 2 - g^T x over ever more directions.
    """
    x, residual = np.zeros_like(g), g.copy()
    scaled = residual / diagonal
    direction, square = scaled, dot(residual, scaled)
    norm = math.sqrt(square)
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
        if square <= (left * norm) ** 2 or is_enough(residual):
            break
        direction = scaled + (square / before) * direction
    return Solution(x if x.any() else g / diagonal, norm, math.sqrt(square))
