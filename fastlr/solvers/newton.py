"""Newton's method: u := u - H^-1 g, with a new Hessian H whenever the old one, corrected by the steps, has become slow."""

from collections.abc import Iterator

import numpy as np

from fastlr._objective import Objective
from fastlr._standardised import Standardised, standardised
from fastlr.solvers import Options, Result
from fastlr.solvers._quasi_newton import Iterate, Metric, iterates
from fastlr.solvers._run import run
from fastlr.solvers._small import newton_in_calls


def expected_steps(options: Options) -> int:
    return 30


def solve(objective: Objective, theta: np.ndarray, options: Options) -> Result:
    """Minimise J from theta."""
    return minimise(*standardised(objective, theta), options)


def minimise(problem: Standardised, u: np.ndarray, options: Options) -> Result:
    """Minimise J from u."""
    def from_(u: np.ndarray) -> Iterator[Iterate]:
        return iterates(problem, u, Metric.hessian(problem, u), options.tol, problem.steps_a_hessian())

    return run(problem, newton_in_calls(problem, u, options, from_) if problem.is_small() else from_(u), options)
