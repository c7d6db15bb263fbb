"""Newton's method: u := u - H^-1 g, with a new Hessian H whenever the old one, corrected by the steps, has become slow."""

import numpy as np

from fastlr._objective import Objective
from fastlr._standardised import standardised
from fastlr.solvers import Options, Result
from fastlr.solvers._quasi_newton import Metric, iterates
from fastlr.solvers._run import run
from fastlr.solvers._small import solve_small


def expected_steps(options: Options) -> int:
    return 30


def solve(objective: Objective, theta: np.ndarray, options: Options) -> Result:
    """Minimise J from theta."""
    problem, u = standardised(objective, theta)
    result = solve_small(problem, u, options)
    if result is not None:
        return result
    points = iterates(problem, u, Metric.hessian(problem, u), options.tol, problem.steps_a_hessian())
    return run(problem, points, options)
