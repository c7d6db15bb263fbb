"""The minima of several J with the same ridge, such as those of a cross-validation's folds, as the ridge falls.

Their paths go side by side.  The first leads: the others start as far from its minimum as theirs were from its last.  One Hessian
of all rows serves them all, since it has seen every column that one of them may lack.  It is that of the mean of their starts.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from fastlr.problem.cost_model import CostModel
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result, auto, newton
from fastlr.solvers.quasi_newton import InverseHessian

# The steps that the Hessian of all rows saves each path but the first, about.
_STEPS_SAVED = 4.0


def minima(problems: Sequence[Problem], of_all_rows: Problem, options: Options, grid: np.ndarray) -> Iterator[Result]:
    """Minimize each J for each factor of the ridge; for one factor they come in turn.

    Parameters
    ----------
    problems : sequence of Problem
    of_all_rows : Problem
        J of the rows of all of them, which may be the first.
    options : Options
    grid : (L,) float64
        The factors, falling.
    """
    ridges = (of_all_rows.elastic_net.times(float(times)).ridge for times in grid)
    of_all_rows = of_all_rows.standardised()
    lead, *others = (problem.in_coordinates(of_all_rows.coordinates).measured_by_all_rows() for problem in problems)
    apart = [problem.null_model() - lead.null_model() for problem in others]
    is_worth_it = _is_worth_a_hessian(of_all_rows.costs, len(others))
    theta: np.ndarray | None = None
    H: np.ndarray | None = None
    for ridge in ridges:
        found = _minimum(lead.with_penalty(ridge), theta, H, options)
        yield found
        theta = found.theta.flatten()
        if is_worth_it:
            u = of_all_rows.coordinates.u_of(theta + sum(apart) / len(problems))
            H = of_all_rows.to_mean * of_all_rows.loss_hessian(u)
        for k, problem in enumerate(others):
            found = _minimum(problem.with_penalty(ridge), theta + apart[k], H, options)
            yield found
            apart[k] = found.theta.ravel() - theta


def _is_worth_a_hessian(costs: CostModel, others: int) -> bool:
    """Whether a Hessian of all rows is worth its price for so many other paths.

    Those of each class alone would save too little, and compiled code makes small ones.
    """
    return costs.is_whole and not costs.is_small and costs.steps_a_hessian <= _STEPS_SAVED * others


def _minimum(problem: Problem, theta: np.ndarray | None, H: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, by a Hessian of the loss on the mean scale if there is one."""
    if newton.is_wide(problem):
        return auto.solve(problem, None, options)       # it starts best in the space of its rows
    if theta is None or H is None:
        return auto.solve(problem, theta, options)
    H = H / problem.to_mean
    problem.add_penalty(H)
    return auto.solve_from(problem, problem.coordinates.u_of(theta), InverseHessian.of(problem, H), options)
