"""L-BFGS in standardized coordinates: no Hessian, for many features."""

import math
from collections.abc import Iterator

import numpy as np

from fastlr.problem.problem import Evaluation, Problem
from fastlr.solvers import Options, Result, quasi_newton
from fastlr.solvers.quasi_newton import InverseHessian, Iterate, Target, iterates
from fastlr.solvers.run import run

EXPECTED_STEPS, kernels = quasi_newton.EXPECTED_STEPS, quasi_newton.kernels


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the null model."""
    problem, u, start = problem.start(theta)

    def descend(problem: Problem, u: np.ndarray, target: Target, options: Options,
                start: Evaluation | None = None) -> Iterator[Iterate]:
        return iterates(problem, u, InverseHessian(problem), target, steps_a_hessian=math.inf, start=start, **options.how_many)

    target = Target(options.target)
    return run(problem, descend(problem, u, target, options, start), target, options, descend)
