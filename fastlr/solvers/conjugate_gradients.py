"""Newton's method without a Hessian, for more features than a Hessian has room for.

The step p solves H p = -g by conjugate gradients, which need H only as a function: H v = V^T (D (V v)) is one read of X
(Nocedal and Wright, Numerical Optimization, algorithms 7.1 and 5.3).  Each step is solved the more closely, the better the last
one foresaw the gradient where it led (Eisenstat and Walker, 1996, their first choice).  Far from the optimum J is not quadratic,
and a rough solution is as good as the exact one.  Near the optimum the steps converge faster than linearly.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastlr.backends import engine
from fastlr.machine.blas import dot
from fastlr.problem.problem import Evaluation, Problem
from fastlr.solvers.quasi_newton import RIDGE, InverseHessian, Iterate, Target, descent_from, step_by_step

# The largest share of the gradient's norm that a solution may leave.
_ROUGH = 0.5
# The share above which the next solution may not leave much less than the last.
_MEMORY = 0.1
# The power of the last share that the next one may leave then.
_GOLDEN = 1.618
# The share of the gradient, not foreseen by the last step, up to which the Hessian's diagonal has not changed much.
_AS_BEFORE = 0.1
# The share of tol that a residual may have in any case.
_OF_TOL = 0.1
# Products with the Hessian in one step, at most.
_MOST_PRODUCTS = 250
# The multiple of the penalty that is added to the diagonal, so that columns that the penalty rules stay alike.
_OF_PENALTY = 9.0
# Steps of L-BFGS that take as long as conjugate gradients do before they are fast.
_TO_START = 15.0
# Steps of L-BFGS that conjugate gradients then take for each step of L-BFGS that they save.
_A_STEP = 0.4
# The share of a Hessian's cost that conjugate gradients may be expected to take, since more steps may be left than it seems.
_IN_DOUBT = 0.5
# Twice the number of steps of L-BFGS that show its rate.
_EVIDENCE = 24


class Solution(NamedTuple):
    """The solution of H x = g that conjugate gradients have found."""

    x: np.ndarray               # (n,) with g^T x > 0
    norm: float                 # of g, by the inverse diagonal, and
    left: float                 # of the residual g - H x


def truncated_newton(problem: Problem, u: np.ndarray, target: Target, start: Evaluation | None = None) -> Iterator[Iterate]:
    """Descend from u, where J may be known, and yield the points."""
    ridge = RIDGE * problem.diagonal
    left, diagonal = _ROUGH, problem.diagonal   # what the next solution may leave of the norm, and the preconditioner
    last: Solution | None = None

    def step(u: np.ndarray, grad: np.ndarray, grad_norm: float) -> np.ndarray:
        nonlocal last, left, diagonal
        product, new_diagonal = problem.hessian_product(u)
        unforeseen = 1.0 if last is None else abs(math.sqrt(dot(grad, grad / diagonal)) - last.left) / last.norm
        if unforeseen > _AS_BEFORE:
            diagonal = new_diagonal() + _OF_PENALTY * problem.penalty_diagonal + ridge
        left = min(_ROUGH, max(unforeseen, left ** _GOLDEN if left ** _GOLDEN > _MEMORY else 0.0))
        last = solution(lambda v: product(v) + ridge * v, diagonal, grad, left,
                        lambda residual: problem.gradient_norm(residual) <= _OF_TOL * min(target.grad_norm, grad_norm))
        return -last.x

    return step_by_step(problem, descent_from(u, start), InverseHessian(problem, engine.SOLVED), target, solve=step)


def or_conjugate_gradients(problem: Problem, points: Iterator[Iterate], target: Target,
                           steps_a_hessian: float) -> Iterator[Iterate]:
    """Follow the points of L-BFGS while it is fast, then `truncated_newton`; also where L-BFGS can't lower J any more.

    `tol` is the gradient's norm that is asked for at the end; a Hessian costs so many steps, infinity for none.
    """
    for point in points:
        yield point
        if point.inverse_hessian.is_diagonal:
            steps = engine.steps_left(point.grad_norm, engine.rate(point.inverse_hessian.arrays, _EVIDENCE), target.grad_norm)
            if _TO_START + _A_STEP * steps < min(steps, _IN_DOUBT * steps_a_hessian):
                break
    else:
        if not point.inverse_hessian.is_diagonal:
            return
    following = truncated_newton(problem, point.u, target)
    next(following)                             # the point where they start has been told
    yield from following


def solution(product: Callable[[np.ndarray], np.ndarray], diagonal: np.ndarray, g: np.ndarray, left: float,
             is_enough: Callable[[np.ndarray], bool]) -> Solution:
    """Solve H x = g roughly, by conjugate gradients preconditioned by a positive diagonal (n,); product(v) is H v.

    They end where so small a share of the residual's norm, by the inverse diagonal, is left, or is_enough(residual).  x is a
    solution even if the loop breaks off early, since it minimizes x^T H x / 2 - g^T x over ever more directions.
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
