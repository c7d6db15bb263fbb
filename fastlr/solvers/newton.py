"""Newton's method: u := u - H^-1 g, with a new Hessian H whenever the old one, corrected by the steps, has become slow.

Where a Hessian is out of proportion to X, each step is solved by conjugate gradients instead.  Wide X, of few rows and many
more features, is rotated into the space of its rows first, where H is small.
"""

from collections.abc import Iterator

import numpy as np

from fastlr.backends.engine import DIAGONAL, DUE
from fastlr.data.dataset import InMemory
from fastlr.problem.problem import Evaluation, Problem
from fastlr.solvers import Options, Result, quasi_newton
from fastlr.solvers.conjugate_gradients import truncated_newton
from fastlr.solvers.quasi_newton import InverseHessian, Iterate, Target, iterates
from fastlr.solvers.run import run

_WIDE = 0.5                     # rows a feature, at most,
_MOST_ROWS = 1000               # and rows, since the products of all pairs are decomposed
_CLOSER = 0.01                  # tol in the space of the rows

EXPECTED_STEPS, kernels = quasi_newton.EXPECTED_STEPS, quasi_newton.kernels


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the null model; or, where X is wide, from the optimum in the space of the rows."""
    problem, u, start = problem.start(theta)
    wide, costs = is_wide(problem), problem.costs
    if wide and theta is None and options.may_start_elsewhere:
        rotated = problem.coordinates.u_of(_optimum_in_row_space(problem, options))
        starts = (u, start or problem.evaluate(u)), (rotated, problem.evaluate(rotated))
        u, start = min(starts, key=lambda known: known[1].cost)         # columns of all scales round it away

    def descend(problem: Problem, u: np.ndarray, target: Target, options: Options,
                start: Evaluation | None = None) -> Iterator[Iterate]:
        if wide or costs.has_room_for_hessian:
            M = InverseHessian(problem, DIAGONAL if wide else DUE)
            return iterates(problem, u, M, target, costs.steps_a_hessian, start=start, **options.how_many)
        return truncated_newton(problem, u, target, start)

    target = Target(options.target)
    return run(problem, descend(problem, u, target, options, start), target, options, descend)._replace(solver="newton")


def is_wide(problem: Problem) -> bool:
    """Whether it pays to go through the space of the rows, which data in parts have too many of; it knows the norm of w alone."""
    m, n = problem.data.shape
    return isinstance(problem.data, InMemory) and m <= min(_WIDE * n, _MOST_ROWS) and problem.penalty.of_norm() is not None


def _optimum_in_row_space(problem: Problem, options: Options) -> np.ndarray:
    """The optimum (n + 1,) as Newton's method finds it, in `max_iter` updates, with as many features as there are rows."""
    reduced, to_theta = problem.in_row_space()
    reduced, u, start = reduced.start(None)
    tol = _CLOSER * options.target
    points = iterates(reduced, u, InverseHessian(reduced, DUE), Target(tol), reduced.costs.steps_a_hessian, start=start)
    for _, point in zip(range(options.most_updates + 1), points, strict=False):
        if point.grad_norm <= tol or point.cost <= reduced.cost_of_one_error:
            break
    return to_theta(reduced.coordinates.theta_of(point.u))
