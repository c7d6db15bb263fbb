"""Small problems: all of Newton's method in one compiled call, where Python around a step would take longer than the step."""

import numpy as np

from fastlr._standardised import Standardised
from fastlr.solvers import DEFAULT_MAX_ITER, Options, Result
from fastlr.solvers._quasi_newton import RIDGE, Iterate
from fastlr.solvers._run import run


def solve_small(problem: Standardised, u: np.ndarray, options: Options) -> Result | None:
    """The result of Newton's method, or None where this is no case for it: it goes step by step then."""
    max_iter = DEFAULT_MAX_ITER if options.max_iter is None else options.max_iter
    if options.callback is not None or options.tol == 0.0:
        return None
    found = problem.newton(u, RIDGE, options.tol, max_iter)
    if found is None:
        return None
    u, cost, grad, p, costs = found
    point = Iterate(u, cost, grad, None, p, -0.5 * float(grad @ p), problem.gradient_norm(grad))
    if point.grad_norm > options.tol and len(costs) < max_iter:
        return None
    return run(problem, iter([point]), options, costs)
