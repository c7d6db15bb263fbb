"""The minimum of J with l1 in compiled calls, which read some columns of X one by one."""

from typing import NamedTuple, Self

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.penalized_newton import Goal
from fastlr.data import passes
from fastlr.data.dataset import InMemory
from fastlr.machine.arrays import read_only
from fastlr.machine.blas import dot
from fastlr.problem.cost_model import MOST_BY_COLUMNS, NUMBERS_A_CALL, CostModel
from fastlr.problem.problem import Evaluation, Problem


class ByColumns(NamedTuple):
    """Some columns of a problem, copied one behind another."""

    problem: Problem            # with an ElasticNet, on all columns
    data: InMemory              # its rows
    place: np.ndarray           # (p + 1,) where these columns are in u, in order, and the intercept behind them
    X: np.ndarray | Csr         # (p, m) the columns as rows in the units of u: dense with the center at 0, sparse with its zeros
    costs: CostModel            # of a step on these columns

    @classmethod
    def of(cls, problem: Problem, columns: np.ndarray) -> Self | None:
        """Copy columns; None where the backend has no such calls for this loss, or there is too much to copy."""
        data, (m, n), p = problem.data, problem.data.shape, columns.size
        if not (isinstance(data, InMemory) and hasattr(data.backend, "penalized_newton")
                and problem.loss.cost_gradient is passes.cost_gradient
                and (data.is_sparse or m * p <= MOST_BY_COLUMNS)):
            return None
        X, place, scales = data.columns_as_rows(columns), np.append(columns, n), problem.coordinates.scales[columns]
        if isinstance(X, Csr):
            if X.size > MOST_BY_COLUMNS:
                return None
            costs, scaled = problem.costs, X._replace(values=read_only(X.values * X.each(scales)))
            if p < n:
                in_rows = np.bincount(X.indices, minlength=m).astype(np.float64)
                costs = CostModel(m, p, X.size, 0.5 * dot(in_rows, in_rows), True)
            return cls(problem, data, place, scaled, costs)
        standardized = np.empty(X.shape)
        np.subtract(X, problem.coordinates.center[columns, None], out=standardized)
        standardized *= scales[:, None]
        return cls(problem, data, place, read_only(standardized), CostModel(m, p, m * p, 0.0, False))

    def minimize(self, u: np.ndarray, cost: float, tol: float, gap: float, enough: float,
                 record: np.ndarray) -> tuple[np.ndarray, Evaluation, int, int]:
        """Make at most `len(record)` updates in one compiled call from u, which is 0 outside these columns, where J is the cost.

        The goal is told as in `fastlr.backends.penalized_newton.Goal`, with the gap relative to J.  The record (k, 3) becomes J
        and the least subgradient before each update, and its step.

        Returns
        -------
        u, J with the gradient (p + 1,) of all but l1 by the coordinates of these columns, the number of updates, and the reason
        for the end.
        """
        problem, place, costs = self.problem, self.place, self.costs
        goal = Goal(problem.to_cost, problem.to_mean, float(problem.fit_intercept), tol, gap * cost, enough,
                    problem.rounding(u, cost), costs.numbers_read, float(costs.room), NUMBERS_A_CALL)
        centers = problem.coordinates.center[place[:-1]] * problem.coordinates.scales[place[:-1]]
        shift = centers if costs.is_sparse else np.zeros(centers.size)
        part, grad = u[place], np.empty(place.size)
        cost, updates, status = self.data.backend.penalized_newton(
            *self.data.prepared, self.X, part, grad, shift, problem.thresholds[place], problem.penalty_diagonal[place[:-1]], goal,
            record)
        u = np.zeros(u.size)
        u[place] = part
        return u, Evaluation(cost, grad), updates, status
