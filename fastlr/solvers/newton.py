"""Newton's method: u := u - H^-1 g, with a new Hessian H whenever the old one, corrected by the steps, has become slow.

Where a Hessian is out of proportion to X, each step is solved by conjugate gradients instead.  Wide X, of few rows and many
more features, is rotated into the space of its rows first, where H is small.
"""

from collections.abc import Iterator

import numpy as np

from fastlr.backends.engine import DIAGONAL, DUE
from fastlr.problem.objective import Objective
from fastlr.problem.standardised import Standardised, standardised
from fastlr.solvers import Options, Result, quasi_newton
from fastlr.solvers.conjugate_gradients import truncated_newton
from fastlr.solvers.quasi_newton import InverseHessian, Iterate, iterates
from fastlr.solvers.run import run

_WIDE = 0.5                     # rows a feature, at most,
_MOST_ROWS = 1000               # and rows, since the products of all pairs are decomposed
_CLOSER = 0.01                  # tol in the space of the rows


kernels = quasi_newton.kernels


def expected_steps(options: Options) -> int:
    """See `fastlr.solvers`."""
    return 30


def solve(objective: Objective, theta: np.ndarray | None, options: Options) -> Result:
    """Minimise J from theta, or from the null model; or, where X is wide, from the optimum in the space of the rows."""
    problem, u = standardised(objective, theta)
    wide = is_wide(objective)
    if wide and theta is None and options.may_start_elsewhere:
        in_row_space = problem.u_of(_optimum_in_row_space(objective, options))
        u = min(u, in_row_space, key=lambda u: problem.cost_gradient(u)[0])     # columns of all scales round it away

    def descend(problem: Standardised, u: np.ndarray, tol: float, options: Options) -> Iterator[Iterate]:
        if wide or objective.costs.has_room_for_hessian:
            M = InverseHessian(problem, DIAGONAL if wide else DUE)
            return iterates(problem, u, M, tol, objective.costs.steps_a_hessian, **options.how_many)
        return truncated_newton(problem, u, tol)

    return run(problem, descend(problem, u, options.tol, options), options, descend)._replace(solver="newton")


def is_wide(objective: Objective) -> bool:
    """Whether it pays to go through the space of the rows."""
    m, n = objective.shape
    return objective.has_row_space and m <= min(_WIDE * n, _MOST_ROWS)


def _optimum_in_row_space(objective: Objective, options: Options) -> np.ndarray:
    """The optimum (n + 1,) as Newton's method finds it, in `max_iter` updates, with as many features as there are rows."""
    reduced, to_theta = objective.in_row_space()
    problem, u = standardised(reduced, None)
    tol = _CLOSER * options.tol
    points = iterates(problem, u, InverseHessian(problem, DUE), tol, reduced.costs.steps_a_hessian)
    for _, point in zip(range(options.most_updates + 1), points, strict=False):
        if point.grad_norm <= tol or point.cost <= problem.cost_of_one_error:
            break
    return to_theta(problem.theta_of(point.u))
